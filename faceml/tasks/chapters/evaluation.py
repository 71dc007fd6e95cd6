"""Evaluation of a task in reports, for any kind of task.

Shape letters: N images, L landmarks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from faceml.datasets import Target
from faceml.page import DataTable, Headline, Section, Tile, capitalised
from faceml.statistics import Interval
from faceml.tables import LandmarkSet
from faceml.tasks.chapters.labels import TaskLabels
from faceml.tasks.chapters.results import ImageValues, Mistake, Values, in_brackets, metrics_table


class TaskEvaluation:
    """What reports contain about the evaluation of a task.

    Args:
        chapter: Labels of the task; of a kind with its own class, its chapter.
        metrics: Metrics by their names in `TaskMetric.compute`.
        predictions: Table of the predictions of N images.
        target: Their targets.
    """

    def __init__(
        self, chapter: TaskLabels, metrics: Mapping[str, Any], predictions: pa.Table, target: Target
    ) -> None:
        self.chapter = chapter
        self.metrics = metrics
        self.predictions = predictions
        self.target = target
        self.known = target.known.numpy()

    @property
    def faces(self) -> int:
        """Number of images with a target."""
        return int(self.known.sum())

    def intervals(self) -> dict[str, Interval]:
        """Return 95 % intervals of metrics by their names, as far as there are some."""
        return self.chapter.intervals(self.metrics) if self.faces else {}

    def headlines(self) -> list[Headline]:
        """Return the metrics for the top of a report."""
        intervals, counted = self.intervals(), f"n = {self.faces:,}"
        return [
            self.chapter.headline(score, self.metrics, intervals, counted if number == 0 else "")
            for number, score in enumerate(self.chapter.task.scores)
        ]

    def mistakes(self, most: int) -> list[Mistake]:
        """Return the images on which the network errs most, at most `most`, the worst first."""
        return []

    def sections(self, mistakes: Sequence[Tile]) -> list[Section]:
        """Return the sections of the report; the tiles are the images of `mistakes` with their captions."""
        if not self.faces:
            return [Section(title=self.chapter.title, text=["No image has a target."])]
        return [self.chapter.named(section) for section in self.filled_sections(mistakes)]

    def filled_sections(self, mistakes: Sequence[Tile]) -> list[Section]:
        """Return the sections where there are images with a target."""
        return [Section(title=self.chapter.title, tables=[self.table("Metrics")])]

    def table(self, title: str) -> DataTable:
        """Return the metrics with their intervals."""
        return metrics_table(self.chapter.task.scores, self.metrics, self.intervals(), title)

    def summary(self) -> dict[str, Any]:
        """Return entries of `summary.json` besides metrics and intervals, by names of metrics."""
        return {}

    def card_lines(self) -> list[str]:
        """Return the metrics of the model card, one on a line."""
        intervals = self.intervals()
        return [
            f"{capitalised(self.chapter.label(score))}: {score.format(self.metrics.get(score.metric))}"
            f"{in_brackets(score, intervals)}"
            for score in self.chapter.task.scores
        ]

    def card_table(self) -> DataTable | None:
        """Return a table of the model card, if the kind has one."""
        return None

    @property
    def located(self) -> tuple[Values, LandmarkSet] | None:
        """Predicted landmarks of shape (N, L, 2), and their set; None if the kind predicts none."""
        return None

    def image_values(self) -> ImageValues | None:
        """Return a metric of each image, by which groups of images are compared; None if there is none."""
        return None

    @property
    def classes(self) -> tuple[str, dict[str, npt.NDArray[np.bool_]]] | None:
        """A word for a class, and the images of each class, of shape (N,); None without classes."""
        return None
