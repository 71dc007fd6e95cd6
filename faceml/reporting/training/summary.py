"""How a training went, as figures and as lines for the terminal."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.table import Table

from faceml.metrics import ConfusionMatrix
from faceml.runs import CONFUSION

VALIDATION_ACCURACY = "val/accuracy"
"""By which the best epoch of a multitask training is known."""
WATCHED = (
    *("train/loss_expression", "train/loss_landmarks", "train/loss_identity"),
    *("val/accuracy", "val/landmark_mse", "verification/accuracy", "verification/equal_error_rate"),
)


def best_first(record: dict[str, Any], score: str = VALIDATION_ACCURACY) -> tuple[float, int]:
    """Return what the best of several epochs is the maximum of: the score, then the later epoch.

    Never the total: with learned weights it may fall without any task getting better.
    """
    return record[score], record["epoch"]


def best_record(records: list[dict[str, Any]], score: str = VALIDATION_ACCURACY) -> dict[str, Any]:
    """Return the record of the best epoch."""
    return max(records, key=lambda record: best_first(record, score))


def confusion_of(record: Mapping[str, Any]) -> ConfusionMatrix:
    """Return the confusions that a record holds."""
    return ConfusionMatrix(np.array(record[CONFUSION], dtype=np.int64))


def training_summary(
    records: list[dict[str, Any]], wall_s: float, score: str = VALIDATION_ACCURACY
) -> dict[str, Any]:
    """Return what `summary.json` holds: the best epoch's record, and the last one's.

    Args:
        records: Of all epochs, at least one.
        wall_s: Seconds of the whole run.
        score: By which the best one is known.
    """
    best = best_record(records, score)
    return {"epochs": len(records), "best": best, "last": records[-1], "wall_s": round(wall_s, 2)}


def watched_figures(metrics: dict[str, float]) -> str:
    """Return the metrics that a person watches, those that are there, on one line."""
    return "  ".join(f"{name.rpartition('/')[2]} {metrics[name]:.4g}" for name in WATCHED if name in metrics)


def epochs_table(records: list[dict[str, Any]]) -> Table:
    """Return one row for each epoch: training losses, then validation metrics. The best one is bold."""
    best = best_record(records)["epoch"]
    table = Table(title="Losses in training, metrics in validation", title_justify="left")
    columns = {
        "epoch": ("epoch", "d"),
        "expr. loss": ("train/loss_expression", ".3f"),
        "lmk. loss": ("train/loss_landmarks", ".5f"),
        "accuracy": ("val/accuracy", ".1%"),
        "macro-F1": ("val/macro_f1", ".3f"),
        "lmk. MSE": ("val/landmark_mse", ".5f"),
        "NME": ("val/nme_interocular", ".1%"),
        "img/s": ("train/images_per_second", ".0f"),
    }
    for title in columns:
        table.add_column(title, justify="right")
    for record in records:
        cells = [
            "–" if record[name] is None else format(record[name], form) for name, form in columns.values()
        ]
        table.add_row(*cells, style="bold" if record["epoch"] == best else "")
    return table
