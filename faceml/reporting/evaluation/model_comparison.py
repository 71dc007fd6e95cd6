"""Paired comparison of several evaluations of the same images."""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faceml.config import ConfigError
from faceml.datasets import Targets
from faceml.metrics import PairedMetric, Score
from faceml.page import INTERVAL, DataTable, Section, capitalised
from faceml.runs import PREDICTIONS_FILE
from faceml.storage import StorageFolder, short_names
from faceml.tables import face_names
from faceml.tasks import Task, Tasks, metric_name, output_name, output_values

FAMILY_ERROR = 0.05
"""Familywise error rate of the intervals of a metric (Bonferroni)."""


class ComparedModel(NamedTuple):
    """A metric of an evaluation that is compared with the current one.

    Attributes:
        name: Name of its run folder, with those above it where other names are the same.
        task: The task.
        metric: The metric of the current evaluation, first, and of the other one.
    """

    name: str
    task: Task[Any]
    metric: PairedMetric

    @property
    def score(self) -> Score:
        """Form and direction of the metric."""
        scores, name = self.task.scores, self.metric.metric
        return next((score for score in scores if score.metric.startswith(name)), scores[0])

    @property
    def is_resolved(self) -> bool:
        """Whether the interval of the difference excludes 0."""
        interval = self.metric.interval
        return interval is not None and (interval[0] > 0 or interval[1] < 0)


def read_predictions(run_folder: str) -> pa.Table:
    """Read the predictions of another evaluation.

    Raises:
        ConfigError: The folder has no predictions.
    """
    folder = StorageFolder(run_folder)
    content = folder.read(PREDICTIONS_FILE) if folder.has(PREDICTIONS_FILE) else None
    if not isinstance(content, bytes):
        raise ConfigError(
            f"compare_with: {run_folder} has no {PREDICTIONS_FILE}. List run folders of `faceml evaluate`."
        )
    return pq.read_table(io.BytesIO(content))


def compare_models(
    run_folder: str,
    predictions: pa.Table,
    others: Sequence[tuple[str, pa.Table]],
    tasks: Tasks,
    targets: Targets,
) -> list[ComparedModel]:
    """Compare other evaluations with the current one, paired by image, in all tasks that both have.

    Args:
        run_folder: Run folder of the current evaluation.
        predictions: Its predictions.
        others: Place of the run folder and predictions of each other evaluation.
        tasks: Tasks of the current evaluation.
        targets: Their targets.

    Raises:
        ConfigError: Images or labels of an evaluation differ from those of the current one, or it has none
            of the tasks.
    """
    compared = []
    confidence = 1 - FAMILY_ERROR / max(1, len(others))
    names = short_names([run_folder, *(place for place, _ in others)])[1:]
    for model, (place, other) in zip(names, others, strict=True):
        if not face_names(other).equals(face_names(predictions)):
            raise _of_other_images(place)
        found = [
            (name, task, first, second)
            for name, task in tasks.items()
            if (first := output_values(predictions, task.output_shapes))
            and (second := output_values(other, task.output_shapes))
        ]
        if not found:
            raise ConfigError(f"compare_with: {place} has predictions of none of {', '.join(tasks)}.")
        for name, task, first, second in found:
            if not _have_same_labels(output_name(name, "label"), predictions, other):
                raise _of_other_images(place)
            compared += [
                ComparedModel(model, task, metric)
                for metric in task.compare(first, second, targets[name], confidence)
            ]
    return compared


def _of_other_images(place: str) -> ConfigError:
    return ConfigError(
        f"compare_with: {place} was evaluated on other images or labels than data.table. Evaluate it on "
        "data.table."
    )


def _have_same_labels(column: str, *tables: pa.Table) -> bool:
    if any(column not in table.column_names for table in tables):
        return True
    one, other = (table[column].combine_chunks() for table in tables)
    if not pa.types.is_fixed_size_list(one.type):
        return bool(one.cast(pa.int32()).equals(other.cast(pa.int32())))
    same_rows = one.is_valid().equals(other.is_valid())
    first, second = (part.drop_null().flatten().to_numpy(zero_copy_only=False) for part in (one, other))
    return bool(same_rows and np.array_equal(first, second, equal_nan=True))


def comparison_section(name: str, compared: Sequence[ComparedModel]) -> Section:
    """Return sentences and a table of each task.

    Args:
        name: Name of the current evaluation's run folder.
        compared: The other evaluations, at least one.
    """
    by_metric: dict[tuple[str, str], list[ComparedModel]] = {}
    for other in compared:
        by_metric.setdefault((other.task.name, other.metric.metric), []).append(other)
    methods = dict.fromkeys(other.metric.method for other in compared)
    return Section(
        title="Comparison of models",
        text=[comparison_sentence(name, other) for others in by_metric.values() for other in others],
        tables=[comparison_table(name, others) for others in by_metric.values()],
        notes=[
            f"Differences are paired by image. Their intervals ({'; '.join(methods)}) hold simultaneously "
            "for all models of a table. They cover the sampling of images, not the variation between "
            "training seeds."
        ],
    )


def comparison_sentence(name: str, other: ComparedModel) -> str:
    """Return the difference of two models in a metric, and whether it is significant."""
    metric, score = other.metric, other.score
    is_better = metric.difference * score.direction > 0
    verdict = (
        f"{other.name if is_better else name} is better"
        if other.is_resolved
        else "not significant with this number of images"
    )
    return (
        f"{capitalised(metric.label)}: {other.name} − {name} = {score.format_difference(metric.difference)}"
        f"{score.unit}, {score.format_limits(metric.interval)}: {verdict}."
    )


def comparison_table(this: str, others: Sequence[ComparedModel]) -> DataTable:
    """Return a metric of each evaluation, the current one first.

    Args:
        this: Name of the current evaluation's run folder.
        others: The other evaluations, compared by the same metric.
    """
    first, score, chapter = others[0].metric, others[0].score, others[0].task.chapter()

    def value(number: float) -> list[str]:
        return [
            score.format(number),
            score.format_range(chapter.score_interval(first.metric, number, first.count)),
        ]

    rows = [[this, *value(first.first), "", "", ""]]
    rows += [
        [
            other.name,
            *value(other.metric.second),
            score.format_difference(other.metric.difference),
            score.format_limits(other.metric.interval),
            "yes" if other.is_resolved else "no",
        ]
        for other in others
    ]
    unit = ", in percentage points" if score.is_share else ""
    return DataTable(
        f"{capitalised(first.label)} of each model and its difference to the first one{unit}",
        ["model", first.label, INTERVAL, "difference", "interval", "significant"],
        rows,
    )


def comparison_summary(compared: Sequence[ComparedModel]) -> dict[str, dict[str, Any]]:
    """Return the comparisons for `summary.json`, by model.

    `value`, `low` and `high` are the difference in the first task's metric.
    """
    found: dict[str, dict[str, Any]] = {}
    for other in compared:
        metric = other.metric
        low, high = metric.interval or (None, None)
        difference = {"value": metric.difference, "low": low, "high": high}
        entries = found.setdefault(other.name, dict(difference))
        name = metric_name(other.task.name, metric.metric)
        entries |= {name: metric.second, f"{name}_difference": difference}
    return found
