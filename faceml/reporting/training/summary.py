"""Results of a training: best epoch, summary, and table of the epochs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from faceml.metrics import ConfusionMatrix
from faceml.page import DataTable
from faceml.runs import CONFUSION

VALIDATION_ACCURACY = "val/accuracy"
"""Metric that selects the best epoch of a multitask training."""
WATCHED = (
    *("train/loss_expression", "train/loss_landmarks", "train/loss_identity"),
    *("val/accuracy", "val/landmark_mse", "verification/accuracy", "verification/equal_error_rate"),
)
MULTITASK_COLUMNS = {
    "epoch": ("epoch", "d"),
    "expr. loss": ("train/loss_expression", ".3f"),
    "lmk. loss": ("train/loss_landmarks", ".5f"),
    "accuracy": (VALIDATION_ACCURACY, ".1%"),
    "macro-F1": ("val/macro_f1", ".3f"),
    "lmk. MSE": ("val/landmark_mse", ".5f"),
    "NME": ("val/nme_interocular", ".1%"),
    "img/s": ("train/images_per_second", ".0f"),
}


def best_first(record: dict[str, Any], score: str = VALIDATION_ACCURACY) -> tuple[float, int]:
    """Return the sort key of epochs: the score, then the later epoch.

    The total loss is no score: with learned weights it can fall without any task improving.
    """
    return record[score], record["epoch"]


def best_record(records: list[dict[str, Any]], score: str = VALIDATION_ACCURACY) -> dict[str, Any]:
    """Return the record of the best epoch."""
    return max(records, key=lambda record: best_first(record, score))


def confusion_of(record: Mapping[str, Any]) -> ConfusionMatrix:
    """Return the confusion matrix of an epoch."""
    return ConfusionMatrix(np.array(record[CONFUSION], dtype=np.int64))


def training_summary(
    records: list[dict[str, Any]], wall_s: float, score: str = VALIDATION_ACCURACY
) -> dict[str, Any]:
    """Return the content of `summary.json`: the records of the best and of the last epoch.

    Args:
        records: Records of all epochs, at least one.
        wall_s: Wall time of the run in seconds.
        score: Metric that selects the best epoch.
    """
    best = best_record(records, score)
    return {"epochs": len(records), "best": best, "last": records[-1], "wall_s": round(wall_s, 2)}


def watched_figures(metrics: dict[str, float]) -> str:
    """Return the main metrics, those that are present, on one line."""
    return "  ".join(f"{name.rpartition('/')[2]} {metrics[name]:.4g}" for name in WATCHED if name in metrics)


def epochs_table(
    records: Sequence[dict[str, Any]],
    columns: Mapping[str, tuple[str, str]] = MULTITASK_COLUMNS,
    title: str = "Training losses and validation metrics by epoch",
    score: str = VALIDATION_ACCURACY,
) -> DataTable:
    """Return one row for each epoch, the best one highlighted.

    Args:
        records: Records of the epochs.
        columns: Metric and format of each column, by its header.
        title: Title of the table.
        score: Metric that selects the best epoch.
    """
    best = max(range(len(records)), key=lambda number: best_first(records[number], score))
    rows = [
        ["–" if record[name] is None else format(record[name], form) for name, form in columns.values()]
        for record in records
    ]
    return DataTable(title, list(columns), rows, highlighted=frozenset({best}))
