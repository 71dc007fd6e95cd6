"""Results of a training: best epoch, summary, and table of the epochs."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from faceml.metrics import Score
from faceml.page import DataTable
from faceml.tasks import Columns, Tasks


def best_first(record: Mapping[str, Any], score: Score) -> tuple[float, int]:
    """Return the sort key of epochs: the score, then the later epoch; epochs without a score are the worst.

    The total loss is no score: with learned weights it can fall without any task improving.
    """
    value = record[score.metric]
    is_missing = value is None or math.isnan(value)
    return -math.inf if is_missing else score.direction * value, record["epoch"]


def best_record(records: Sequence[dict[str, Any]], score: Score) -> dict[str, Any]:
    """Return the record of the best epoch."""
    return max(records, key=lambda record: best_first(record, score))


def training_summary(records: list[dict[str, Any]], wall_s: float, score: Score) -> dict[str, Any]:
    """Return the content of `summary.json`: the records of the best and of the last epoch.

    Args:
        records: Records of all epochs, at least one.
        wall_s: Wall time of the run in seconds.
        score: Metric that selects the best epoch.
    """
    return {
        "epochs": len(records),
        "selection": {"metric": score.metric, "mode": "min" if score.minimised else "max"},
        "best": best_record(records, score),
        "last": records[-1],
        "wall_s": round(wall_s, 2),
    }


def watched_metrics(tasks: Tasks) -> list[str]:
    """Return the metrics that logs and progress bars show: loss and one validation metric of each task."""
    chapters = [task.chapter() for task in tasks.values()]
    return [*(chapter.training_loss for chapter in chapters), *(chapter.watched for chapter in chapters)]


def watched_figures(metrics: Mapping[str, float], watched: Iterable[str]) -> str:
    """Return the watched metrics that are present on one line."""
    return "  ".join(f"{name.partition('/')[2]} {metrics[name]:.4g}" for name in watched if name in metrics)


def multitask_columns(tasks: Tasks) -> Columns:
    """Return the columns of a table of epochs: losses and validation metrics of all tasks.

    Of more than two tasks, each has only the metric that it would select a model by.
    """
    chapters = [task.chapter() for task in tasks.values()]
    columns: Columns = {"epoch": ("epoch", "d")}
    for chapter in chapters:
        columns |= chapter.loss_column
    for chapter in chapters:
        own, default = chapter.score_columns, chapter.record_name(chapter.task.scores[0].metric)
        columns |= own if len(tasks) <= 2 else {n: part for n, part in own.items() if part[0] == default}
    return columns | {"img/s": ("train/images_per_second", ".0f")}


def epochs_table(
    records: Sequence[dict[str, Any]],
    columns: Columns,
    score: Score,
    title: str = "Training losses and validation metrics by epoch",
) -> DataTable:
    """Return one row for each epoch, the best one highlighted.

    Args:
        records: Records of the epochs.
        columns: Metric and format of each column, by its header.
        score: Metric that selects the best epoch.
        title: Title of the table.
    """
    best = max(range(len(records)), key=lambda number: best_first(records[number], score))
    rows = [
        ["–" if record[name] is None else format(record[name], form) for name, form in columns.values()]
        for record in records
    ]
    return DataTable(title, list(columns), rows, highlighted=frozenset({best}))
