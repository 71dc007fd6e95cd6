"""Results of landmarks in reports and on the terminal.

Shape letters: N images, L landmarks, T landmarks of the target.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from faceml.datasets import Target
from faceml.metrics import normalized_errors
from faceml.page import (
    INTERVAL,
    DataTable,
    Headline,
    Picture,
    Section,
    Tile,
    capitalised,
    change,
    epochs_picture,
    percent,
    percent_range,
    significant,
)
from faceml.statistics import Interval, mean_interval
from faceml.tables import LandmarkSet
from faceml.tasks.chapters.base import TaskChapter
from faceml.tasks.chapters.evaluation import TaskEvaluation
from faceml.tasks.chapters.results import ImageValues, ReportedTask, TrainingResults, Values
from faceml.tasks.columns import list_values

NME = "nme_"
"""Prefix of the normalised mean errors of single landmarks."""
TOTAL = "nme_interocular"
MOST_POINTS = 30
"""Number of landmarks in a table; of larger sets those with the largest errors."""
NME_CAPTION = "Mean distance between predicted and reference points, divided by the interocular distance."
REFERENCE = "The reference landmarks are those of MediaPipe, not manual annotations"


class LandmarksChapter(TaskChapter):
    """What reports and the terminal show of landmarks.

    Args:
        task: The task.
        landmark_set: The L landmarks.
        target_set: The T landmarks of targets, which have the eyes.
    """

    def __init__(self, task: ReportedTask, landmark_set: LandmarkSet, target_set: LandmarkSet) -> None:
        super().__init__(task)
        self.landmark_set = landmark_set
        self.target_set = target_set

    @property
    def title(self) -> str:
        """Title of the section about the task."""
        own = "landmark" if self.name == "landmarks" else self.words
        return f"{capitalised(own)} localisation"

    @property
    def purpose(self) -> str:
        """What the network does for the task, to go on from `The model`."""
        return f"predicts {len(self.landmark_set)} facial landmarks"

    @property
    def watched(self) -> str:
        """Name of the validation metric that logs and progress bars show."""
        return self.record_name("mse")

    @property
    def loss_column(self) -> dict[str, tuple[str, str]]:
        """Column of the training loss in a table of epochs."""
        return {f"{self.words} loss": (self.training_loss, ".5f")}

    @property
    def score_columns(self) -> dict[str, tuple[str, str]]:
        """Columns of the validation metrics in a table of epochs."""
        nme, mse = self.task.scores
        return {
            self.label(mse): (self.record_name("mse"), ".5f"),
            self.label(nme): (self.record_name(TOTAL), ".1%"),
        }

    def training_headlines(self, results: TrainingResults) -> list[Headline]:
        """Return the errors of the best epoch, for the top of a report."""
        return self.headlines(*(results.best[self.record_name(metric)] for metric in ("mse", TOTAL)))

    def headlines(
        self, mse: float | None, total: float | None, interval: Interval | None = None
    ) -> list[Headline]:
        """Return the errors of the landmarks; None where no face has landmarks."""
        nme, squared = (capitalised(self.label(score)) for score in self.task.scores)
        limits = f"; {INTERVAL} {percent_range(interval)}" if interval else ""
        return [
            Headline(squared, significant(mse), "of coordinates normalised to 0 … 1"),
            Headline(nme, percent(total), f"of the interocular distance{limits}"),
        ]

    def training_section(self, results: TrainingResults) -> Section:
        """Return curves of loss and errors, and the error of each landmark in the best epoch."""
        title = f"Error of each landmark in epoch {results.best['epoch']}"
        return Section(
            title=self.title,
            text=[f"{REFERENCE}: an error of 0 means agreement with MediaPipe."],
            pictures=[
                self.loss_picture(results),
                self.curves_picture(results, self.task.scores[0], {"NME": TOTAL}, NME_CAPTION),
            ],
            tables=[self.result_table(self.metrics(results.best), title)],
        )

    def loss_picture(self, results: TrainingResults, name: str = "", **options: Any) -> Picture:
        """Return the chart of the training loss and the squared error in validation."""
        records, mse = results.records, self.record_name("mse")
        return epochs_picture(
            records,
            f"{capitalised('landmark' if self.name == 'landmarks' else self.words)} loss",
            {"training": self.training_loss, "validation": mse},
            name or "loss",
            f"The loss goes from {change(records, self.training_loss)} in training, the squared error from "
            f"{change(records, mse)} in validation.",
            "Training loss, and mean squared error in validation, of coordinates normalised to 0 … 1; "
            "logarithmic axis.",
            log=True,
            best_epoch=results.best["epoch"],
            **options,
        )

    def result_table(self, metrics: Mapping[str, Any], title: str) -> DataTable:
        """Return the normalised mean error (NME) of each landmark."""
        return self.points_table(metrics, {}, title)

    def points_table(
        self, metrics: Mapping[str, Any], intervals: Mapping[str, Interval], title: str
    ) -> DataTable:
        """Return the NME of each landmark, with intervals where there are some."""
        errors = [metrics[NME + name] for name in self.landmark_set.names]
        order = list(range(len(errors)))
        if len(errors) > MOST_POINTS:
            order = np.argsort([-(error or 0.0) for error in errors], kind="stable")[:MOST_POINTS].tolist()
            title += f", the {MOST_POINTS} largest of {len(errors)}"
        rows = []
        for number in order:
            name = self.landmark_set.names[number]
            row = [name.replace("_", " "), percent(errors[number])]
            limits = intervals.get(NME + name)
            rows.append([*row, percent_range(limits) if limits else "–"] if intervals else row)
        return DataTable(title, ["landmark", "NME", *([INTERVAL] if intervals else [])], rows)

    def result_line(self, metrics: Mapping[str, Any]) -> str:
        """Return the NME in one sentence."""
        return (
            f"{capitalised(self.words)}: {percent(metrics[TOTAL])} of the distance between the eyes from "
            "MediaPipe's, on average."
        )

    def evaluation(
        self, metrics: Mapping[str, Any], predictions: pa.Table, target: Target
    ) -> "LandmarksEvaluation":
        """Return what reports contain about an evaluation."""
        return LandmarksEvaluation(self, metrics, predictions, target)


class LandmarksEvaluation(TaskEvaluation):
    """What reports contain about the evaluation of landmarks."""

    chapter: LandmarksChapter

    @cached_property
    def points(self) -> Values:
        """Predicted landmarks, of shape (N, L, 2)."""
        values = list_values(self.predictions, self.chapter.name)
        return values.reshape(len(values), -1, 2)

    @cached_property
    def errors(self) -> Values:
        """Distance of each landmark in interocular distances, of shape (N, L); NaN without a target."""
        errors = np.full(self.points.shape[:2], np.nan)
        predicted = torch.from_numpy(self.points[self.known])
        truth = self.target.values[self.target.known].double()
        errors[self.known] = normalized_errors(predicted, truth, self.chapter.target_set).numpy()
        return errors

    def image_values(self) -> ImageValues:
        """Return the NME of each face."""
        return ImageValues(self.chapter.task.scores[0], self.errors.mean(axis=1), is_binary=False)

    def intervals(self) -> dict[str, Interval]:
        """Return Student's intervals of the NME over faces, of all landmarks and of each."""
        known = self.errors[self.known]
        columns = {TOTAL: known.mean(axis=1)}
        columns |= {
            NME + name: values for name, values in zip(self.chapter.landmark_set.names, known.T, strict=True)
        }
        found = {name: mean_interval(values) for name, values in columns.items()}
        return {name: limits for name, limits in found.items() if limits is not None}

    def headlines(self) -> list[Headline]:
        """Return the errors of the landmarks."""
        return self.chapter.headlines(self.metrics["mse"], self.metrics[TOTAL], self.intervals().get(TOTAL))

    def filled_sections(self, mistakes: Sequence[Tile]) -> list[Section]:
        """Return the error of each landmark."""
        table, note = (
            self.table("Error of each landmark"),
            f"Intervals are Student's over {self.faces:,} faces.",
        )
        return [Section(title=self.chapter.title, text=[f"{REFERENCE}."], tables=[table], notes=[note])]

    def table(self, title: str) -> DataTable:
        """Return the NME of each landmark with its interval."""
        return self.chapter.points_table(self.metrics, self.intervals(), title)

    def card_lines(self) -> list[str]:
        """Return the NME for the model card."""
        label, interval = (
            capitalised(self.chapter.label(self.chapter.task.scores[0])),
            self.intervals().get(TOTAL),
        )
        limits = f" ({percent_range(interval)})" if interval else ""
        reference = "with MediaPipe's landmarks as reference"
        return [f"{label}: {percent(self.metrics[TOTAL])}{limits} of the interocular distance, {reference}"]

    @property
    def located(self) -> tuple[Values, LandmarkSet]:
        """Predicted landmarks, and their set."""
        return self.points, self.chapter.landmark_set
