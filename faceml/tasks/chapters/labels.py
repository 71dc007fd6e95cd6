"""Names and labels of a task and of its metrics in reports."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from faceml.metrics import Score
from faceml.page import INTERVAL, Headline, Section, capitalised
from faceml.statistics import Interval
from faceml.tasks.chapters.results import Columns, ReportedTask, column_format
from faceml.tasks.names import SHORT_LABELS, VALIDATION, metric_label, metric_name, own_metrics


class TaskLabels:
    """Names and labels of a task and of its metrics.

    Args:
        task: The task.
    """

    def __init__(self, task: ReportedTask) -> None:
        self.task = task
        self.name = task.name
        self.words = task.name.replace("_", " ")

    @property
    def title(self) -> str:
        """Title of the sections about the task."""
        return capitalised(self.words)

    @property
    def purpose(self) -> str:
        """What the network does for the task, to go on from `The model`."""
        return f"predicts {self.words}"

    def label(self, score: Score) -> str:
        """Return the label of a metric among those of other tasks."""
        return metric_label(self.name, score.label)

    def named(self, section: Section) -> Section:
        """Return a section whose titles differ from those of other tasks' sections on the same page."""
        return replace(
            section,
            title=self._named(section.title),
            pictures=[replace(picture, title=self._named(picture.title)) for picture in section.pictures],
            tables=[replace(table, title=self._named(table.title)) for table in section.tables],
        )

    def _named(self, title: str) -> str:
        is_named = self.name in SHORT_LABELS or self.words.casefold() in title.casefold()
        return title if is_named else f"{title} ({self.words})"

    def record_name(self, metric: str) -> str:
        """Return the name of a validation metric in records."""
        return VALIDATION + metric_name(self.name, metric)

    def metrics(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the validation metrics of an epoch by their names in `TaskMetric.compute`."""
        return own_metrics(self.name, record, VALIDATION)

    @property
    def training_loss(self) -> str:
        """Name of the training loss in records."""
        return f"train/loss_{self.name}"

    @property
    def watched(self) -> str:
        """Name of the validation metric that logs and progress bars show."""
        return self.record_name(self.task.scores[0].metric)

    @property
    def loss_column(self) -> Columns:
        """Column of the training loss in a table of epochs."""
        return {f"{self.words} loss": (self.training_loss, ".4g")}

    @property
    def score_columns(self) -> Columns:
        """Columns of the validation metrics in a table of epochs."""
        return {
            self.label(score): (self.record_name(score.metric), column_format(score))
            for score in self.task.scores
        }

    def score_interval(self, metric: str, value: float, faces: int) -> Interval | None:
        """Return the interval of a metric due to the sampling of faces, where its value alone gives it.

        Args:
            metric: Name of the metric among those of the task.
            value: Its value.
            faces: Number of faces with a target.
        """
        return None

    def intervals(self, metrics: Mapping[str, Any]) -> dict[str, Interval]:
        """Return 95 % intervals of metrics by their names, as far as there are some."""
        found = self.task.intervals({n: math.nan if v is None else v for n, v in metrics.items()})
        return {name: limits for name, limits in found.items() if not any(map(math.isnan, limits))}

    def headline(
        self,
        score: Score,
        metrics: Mapping[str, Any],
        intervals: Mapping[str, Interval],
        counted: str,
    ) -> Headline:
        """Return a metric with its interval; `counted` is the rest of the detail below it."""
        limits = intervals.get(score.metric)
        parts = [f"{INTERVAL} {score.format_range(limits)}" if limits else "", counted]
        detail = "; ".join(part for part in parts if part)
        return Headline(capitalised(self.label(score)), score.format(metrics.get(score.metric)), detail)
