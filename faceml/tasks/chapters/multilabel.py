"""Results of a multilabel classification in reports and on the terminal.

Shape letters: N images, K labels.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.figure import Figure

from faceml.datasets import Target
from faceml.metrics import LabelCounts, Score
from faceml.page import (
    BLUE,
    FAINT,
    INK,
    INTERVAL,
    DataTable,
    Picture,
    Section,
    Tile,
    chart,
    chart_picture,
    legend_above,
    percent,
    percent_axis,
    styled,
)
from faceml.tasks.chapters.base import TaskChapter
from faceml.tasks.chapters.evaluation import TaskEvaluation
from faceml.tasks.chapters.results import OPTIMISTIC, ImageValues, ReportedTask, TrainingResults
from faceml.tasks.columns import list_values
from faceml.tasks.names import output_name

F1 = Score("macro_f1", "F1", minimised=False, is_share=False, digits=3)


class MultilabelChapter(TaskChapter):
    """What reports and the terminal show of a multilabel classification.

    Args:
        task: The task.
        labels: Names of its K labels.
        threshold: Probability above which a label is predicted.
    """

    def __init__(self, task: ReportedTask, labels: Sequence[str], threshold: float) -> None:
        super().__init__(task)
        self.labels = labels
        self.threshold = threshold
        self.accuracy = next(score for score in task.scores if score.metric == "accuracy")

    @property
    def purpose(self) -> str:
        """What the network does for the task, to go on from `The model`."""
        return f"predicts for each of the labels {', '.join(self.labels)} whether a face has it"

    def training_section(self, results: TrainingResults) -> Section:
        """Return curves of the loss and of the scores, and F1 of each label in the best epoch."""
        counts = self.counts(self.metrics(results.best))
        if not counts.images.any():
            return super().training_section(results)
        title = f"Labels in epoch {results.best['epoch']}"
        return Section(
            title=self.title,
            text=[f"{len(self.labels)} labels, {results.faces:,} validation images with any of them known."],
            pictures=[
                self.loss_picture(results, "binary cross-entropy"),
                *self.score_pictures(results),
                self._f1_picture(counts),
            ],
            tables=[self.labels_table(counts, title)],
            notes=[OPTIMISTIC],
        )

    def counts(self, metrics: Mapping[str, Any]) -> LabelCounts:
        """Return the counts of a training's epoch or of an evaluation."""
        return LabelCounts(np.array(metrics["label_counts"], dtype=np.int64))

    def result_table(self, metrics: Mapping[str, Any], title: str) -> DataTable:
        """Return prevalence and F1 of each label; see `TaskChapter.result_table`."""
        return self.labels_table(self.counts(metrics), title)

    def labels_table(self, counts: LabelCounts, title: str) -> DataTable:
        """Return numbers of images, prevalence, recall, precision and F1 of each label."""
        rows = []
        for label, table, f1, limits in zip(
            self.labels, counts.counts, counts.f1(), counts.f1_intervals(), strict=True
        ):
            images, positives, predicted, hits = table.sum(), table[1].sum(), table[:, 1].sum(), table[1, 1]
            rows.append(
                [
                    label,
                    f"{images:,}",
                    f"{positives:,}",
                    percent(positives / images) if images else "–",
                    percent(hits / positives) if positives else "–",
                    percent(hits / predicted) if predicted else "–",
                    F1.format(f1),
                    F1.format_range(limits),
                ]
            )
        header = ["label", "images", "positive", "prevalence", "recall", "precision", "F1", INTERVAL]
        return DataTable(title, header, rows)

    def _f1_picture(self, counts: LabelCounts) -> Picture:
        found = ", ".join(
            f"{label} {F1.format(f1)}" for label, f1 in zip(self.labels, counts.f1(), strict=True)
        )
        return chart_picture(
            "F1 of each label",
            f1_figure(self.labels, counts),
            f"F1 of each label, with 95 % intervals: {found}.",
            "Grey bars are the share of images that have the label: F1 of always predicting it is "
            "2 · share / (1 + share).",
        )

    def evaluation(
        self, metrics: Mapping[str, Any], predictions: pa.Table, target: Target
    ) -> "MultilabelEvaluation":
        """Return what reports contain about an evaluation."""
        return MultilabelEvaluation(self, metrics, predictions, target)


class MultilabelEvaluation(TaskEvaluation):
    """What reports contain about the evaluation of a multilabel classification."""

    chapter: MultilabelChapter

    @property
    def counts(self) -> LabelCounts:
        """Counts of images by annotation and prediction of each label."""
        return self.chapter.counts(self.metrics)

    def image_values(self) -> ImageValues:
        """Return the share of correctly predicted labels among the known ones of each image."""
        probabilities = list_values(self.predictions, output_name(self.chapter.name, "probabilities"))
        truth = self.target.values.numpy()
        given = truth >= 0
        right = ((probabilities > self.chapter.threshold) == (truth == 1)) & given
        counts = given.sum(axis=1)
        shares = np.divide(right.sum(axis=1), counts, out=np.full(len(truth), math.nan), where=counts > 0)
        return ImageValues(self.chapter.accuracy, shares, is_binary=False)

    def filled_sections(self, mistakes: Sequence[Tile]) -> list[Section]:
        """Return F1 of each label as chart and table."""
        section = Section(
            title=self.chapter.title,
            pictures=[self.chapter._f1_picture(self.counts)],
            tables=[self.table("Metrics of each label")],
        )
        return [section]

    def table(self, title: str) -> DataTable:
        """Return numbers of images, prevalence, recall, precision and F1 of each label."""
        return self.chapter.labels_table(self.counts, title)

    def card_table(self) -> DataTable:
        """Return numbers of images, prevalence, recall, precision and F1 of each label."""
        return self.table("")

    def summary(self) -> dict[str, Any]:
        """Return the interval of F1 of each label; null where there is no F1."""
        intervals = zip(self.chapter.labels, self.counts.f1_intervals(), strict=True)
        return {
            f"f1_{label}_interval": None if math.isnan(low) else (low, high)
            for label, (low, high) in intervals
        }


@styled
def f1_figure(labels: Sequence[str], counts: LabelCounts) -> Figure:
    """Plot F1 of each label with its interval, over the share of images that have the label."""
    figure, axes = chart("F1, and share of images", height_in=0.9 + 0.32 * len(labels))
    rows, f1 = np.arange(len(labels)), counts.f1()
    limits = np.array(counts.f1_intervals())
    shares = counts.counts[:, 1].sum(axis=1) / counts.images.clip(min=1)
    axes.barh(rows, shares, 0.6, color=FAINT, label="share of images")
    axes.errorbar(
        f1, rows, xerr=np.abs(limits.T - f1), fmt="o", color=BLUE, elinewidth=1.1, capsize=2.5,
        label="F1, 95 % interval",
    )  # fmt: skip
    axes.set_yticks(rows, labels, fontsize=9)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    percent_axis(axes, "x")
    legend_above(figure, axes)
    return figure
