"""Results of a task in reports and on the terminal, for any kind of task.

Shape letters: N images.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from faceml.datasets import Target
from faceml.metrics import Score
from faceml.page import INTERVAL, DataTable, Headline, Picture, Section, capitalised, change, epochs_picture
from faceml.tasks.chapters.evaluation import TaskEvaluation
from faceml.tasks.chapters.labels import TaskLabels
from faceml.tasks.chapters.results import (
    OPTIMISTIC,
    OVERFITTING,
    TrainingResults,
    in_brackets,
    metrics_table,
)


class TaskChapter(TaskLabels):
    """What reports and the terminal show of a task.

    Args:
        task: The task.
    """

    # Training

    def training_headlines(self, results: TrainingResults) -> list[Headline]:
        """Return the metrics of the best epoch, for the top of a report."""
        found = self.metrics(results.best)
        intervals = self.intervals(found)
        counted = f"n = {results.faces:,}; epoch {results.best_epoch}"
        return [
            self.headline(score, found, intervals, counted if number == 0 else "")
            for number, score in enumerate(self.task.scores)
        ]

    def training_section(self, results: TrainingResults) -> Section:
        """Return curves of losses and metrics over the epochs, and the metrics of the best epoch."""
        if not results.faces:
            return Section(title=self.title, text=["No image of the validation split has a target."])
        found = self.metrics(results.best)
        return Section(
            title=self.title,
            text=[
                f"Metrics are measured on the {results.faces:,} validation images with a target. The best "
                f"epoch is {results.best_epoch}."
            ],
            pictures=[self.loss_picture(results), *self.score_pictures(results)],
            tables=[self.result_table(found, f"Metrics in epoch {results.best['epoch']}")],
            notes=[OPTIMISTIC],
        )

    def loss_picture(self, results: TrainingResults, name: str = "loss", **options: Any) -> Picture:
        """Return the chart of training and validation loss; `options` are those of `epochs_figure`."""
        records, validation = results.records, self.record_name("loss")
        series = {"training": self.training_loss}
        if validation in records[0]:
            series["validation"] = validation
        changes = " and ".join(f"from {change(records, metric)} in {of}" for of, metric in series.items())
        return epochs_picture(
            records,
            f"{capitalised(self.words)} loss",
            series,
            name,
            f"The loss goes {changes}.",
            OVERFITTING if validation in records[0] else "",
            best_epoch=results.best["epoch"],
            **options,
        )

    def score_pictures(self, results: TrainingResults) -> list[Picture]:
        """Return a chart of each metric that can select a model."""
        return [
            self.curves_picture(results, score, {score.label: score.metric}) for score in self.task.scores
        ]

    def curves_picture(
        self, results: TrainingResults, score: Score, series: Mapping[str, str], caption: str = ""
    ) -> Picture:
        """Return a chart of validation metrics.

        Args:
            results: Results of the training.
            score: Label and form of the metrics.
            series: Metrics of the task by their legend labels.
            caption: How to read the chart; by default which direction is better.
        """
        names = {label: self.record_name(metric) for label, metric in series.items()}
        records, label = results.records, capitalised(self.label(score))
        name = self.record_name(score.metric)
        first, last = score.format(records[0][name]), score.format(records[-1][name])
        return epochs_picture(
            records,
            label,
            names,
            f"validation {score.label}",
            f"{label} is {first} after the first epoch and {last} at the end.",
            caption or f"{'Lower' if score.minimised else 'Higher'} is better.",
            percent=score.is_share,
            best_epoch=results.best["epoch"],
        )

    # Results of a training's best epoch or of an evaluation

    def result_table(self, metrics: Mapping[str, Any], title: str) -> DataTable:
        """Return all scalar metrics of the task, with their intervals.

        Args:
            metrics: Metrics by their names in `TaskMetric.compute`.
            title: Title of the table.
        """
        return metrics_table(self.task.scores, metrics, self.intervals(metrics), title)

    def answer(self, metrics: Mapping[str, Any], model: str, faces: str) -> str:
        """Return the result in one sentence.

        Args:
            metrics: Metrics by their names in `TaskMetric.compute`.
            model: Subject of the sentence, such as `The best model`.
            faces: The faces, such as `the validation faces`.
        """
        score = self.task.scores[0]
        value = score.format(metrics[score.metric])
        return f"{model} reaches a {self.label(score)} of {value} on {faces}."

    def result_line(self, metrics: Mapping[str, Any]) -> str:
        """Return the metrics that can select a model on one line; see `result_table`."""
        intervals = self.intervals(metrics)
        parts = [
            f"{score.label} {score.format(metrics[score.metric])}{in_brackets(score, intervals, INTERVAL)}"
            for score in self.task.scores
        ]
        return f"{capitalised(self.words)}: {', '.join(parts)}."

    # Evaluation

    def evaluation(self, metrics: Mapping[str, Any], predictions: pa.Table, target: Target) -> TaskEvaluation:
        """Return what reports contain about an evaluation.

        Args:
            metrics: Metrics by their names in `TaskMetric.compute`.
            predictions: Table of the predictions of N images.
            target: Their targets.
        """
        return TaskEvaluation(self, metrics, predictions, target)
