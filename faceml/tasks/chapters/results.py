"""Results of a task, and their form in text and tables.

Shape letters: N images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from faceml.datasets import Target
from faceml.metrics import Score
from faceml.page import INTERVAL, DataTable, significant
from faceml.statistics import Interval

Values = npt.NDArray[np.float64]
Columns = dict[str, tuple[str, str]]
"""Metric and format of columns of a table of epochs, by their headers."""


class ReportedTask(Protocol):
    """A task as its chapter sees it; see `faceml.tasks.Task`."""

    name: str

    @property
    def scores(self) -> Sequence[Score]:
        """Metrics that can select a model, the default first."""
        ...

    def intervals(self, results: Mapping[str, Any]) -> dict[str, Interval]:
        """Return 95 % intervals of metrics by their names, as far as there are some."""
        ...

    def groups(self, target: Target) -> Tensor:
        """Return the class of each row; -1 where it is unknown."""
        ...


@dataclass(frozen=True)
class TrainingResults:
    """Results of a training.

    Attributes:
        records: Records of its epochs, as in `metrics.jsonl`.
        best: Record of the best epoch.
        faces: Number of validation faces with a target of the task.
    """

    records: Sequence[Mapping[str, Any]]
    best: Mapping[str, Any]
    faces: int

    @property
    def best_epoch(self) -> str:
        """The best epoch and the number of all: `2 of 3`."""
        return f"{self.best['epoch']} of {len(self.records)}"


@dataclass(frozen=True)
class ImageValues:
    """Values of a metric for single images, of which the metric is the mean.

    Attributes:
        score: The metric.
        values: Of shape (N,); NaN for images without a target.
        is_binary: Whether the values are 0 and 1, as whether an image is classified correctly.
    """

    score: Score
    values: Values
    is_binary: bool


@dataclass(frozen=True)
class Mistake:
    """An image on which a network errs most: its row among all images, and a caption."""

    row: int
    caption: str


OPTIMISTIC = (
    "The best epoch is selected on these validation images, so its metrics are optimistic estimates for new "
    "images."
)
OVERFITTING = "A validation loss that rises while the training loss falls indicates overfitting."


def metrics_table(
    scores: Sequence[Score], metrics: Mapping[str, Any], intervals: Mapping[str, Interval], title: str
) -> DataTable:
    """Return a row for each scalar metric: those of `scores` in their form, others with three digits."""
    by_name = {score.metric: score for score in scores}
    others = [name for name, value in metrics.items() if name not in by_name and not isinstance(value, list)]
    rows = []
    for name in [*by_name, *others]:
        value, score = metrics.get(name), by_name.get(name)
        text = score.format(value) if score else significant(value)
        limits = score.format_range(intervals.get(name)) if score else "–"
        rows.append([score.label if score else name.replace("_", " "), text, limits])
    return DataTable(title, ["metric", "value", INTERVAL], rows)


def in_brackets(score: Score, intervals: Mapping[str, Interval], name: str = "") -> str:
    """Return the interval of a metric in brackets, after a name for it; empty if it has none."""
    limits = intervals.get(score.metric)
    return f" ({f'{name} '.lstrip()}{score.format_range(limits)})" if limits else ""


def column_format(score: Score) -> str:
    """Return the format of a metric in a table of epochs."""
    if score.is_share:
        return f".{score.digits or 0}%"
    return ".4g" if score.digits is None else f".{score.digits}f"
