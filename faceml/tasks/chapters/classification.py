"""Results of a classification in reports and on the terminal.

Shape letters: N images, E classes.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from faceml.datasets import Target
from faceml.metrics import Calibration, ConfusionMatrix, measure_calibration
from faceml.page import (
    INTERVAL,
    DataTable,
    Headline,
    Section,
    Tile,
    capitalised,
    epochs_picture,
    percent,
    percent_range,
    sheet_pictures,
)
from faceml.statistics import Interval, wilson_interval
from faceml.tasks.chapters.base import TaskChapter
from faceml.tasks.chapters.calibration import calibration_section, calibration_sentence
from faceml.tasks.chapters.confusion import classes_table, confusion_picture, scores_line
from faceml.tasks.chapters.detection import detection_section
from faceml.tasks.chapters.evaluation import TaskEvaluation
from faceml.tasks.chapters.results import ImageValues, Mistake, ReportedTask, TrainingResults
from faceml.tasks.columns import list_values
from faceml.tasks.names import output_name

EXPRESSION = "expression"
"""Task whose classes are called by its name."""


class ClassificationChapter(TaskChapter):
    """What reports and the terminal show of a classification.

    Args:
        task: The task.
        classes: Names of its E classes.
    """

    def __init__(self, task: ReportedTask, classes: Sequence[str]) -> None:
        super().__init__(task)
        self.classes = classes
        self.noun = self.words if self.name == EXPRESSION else f"{self.words} class"

    @property
    def title(self) -> str:
        """Title of the section about the task."""
        return f"{capitalised(self.words)} classification"

    @property
    def purpose(self) -> str:
        """What the network does for the task, to go on from `The model`."""
        return f"classifies the face in an image by {self.words} ({', '.join(self.classes)})"

    @property
    def loss_column(self) -> dict[str, tuple[str, str]]:
        """Column of the training loss in a table of epochs."""
        return {f"{self.words} loss": (self.training_loss, ".3f")}

    def score_interval(self, metric: str, value: float, faces: int) -> Interval | None:
        """Return the Wilson interval of the accuracy."""
        return wilson_interval(round(value * faces), faces) if metric == "accuracy" else None

    def training_headlines(self, results: TrainingResults) -> list[Headline]:
        """Return accuracy and macro-F1 of the best epoch, for the top of a report."""
        return self.headlines(self.metrics(results.best), f"; epoch {results.best_epoch}")

    def headlines(self, metrics: Mapping[str, Any], detail: str = "") -> list[Headline]:
        """Return accuracy and macro-F1 with their intervals; `detail` follows the number of images."""
        confusion = self.confusion(metrics)
        _accuracy, macro_f1 = (self.label(score) for score in self.task.scores)
        if not confusion.images:
            return [Headline(f"{capitalised(self.words)} accuracy", "–", "no image has a target")]
        low, high = confusion.macro_f1_interval()
        return [
            Headline(
                f"{capitalised(self.words)} accuracy",
                percent(confusion.accuracy),
                f"{INTERVAL} {percent_range(confusion.accuracy_interval())}; "
                f"n = {confusion.images:,}{detail}",
            ),
            Headline(
                capitalised(macro_f1),
                f"{metrics['macro_f1']:.3f}",
                f"{INTERVAL} {low:.3f}–{high:.3f}; unweighted class mean",
            ),
        ]

    def training_section(self, results: TrainingResults) -> Section:
        """Return curves of loss, accuracy and macro-F1, and the classes of the best epoch."""
        confusion = self.confusion(self.metrics(results.best))
        if not confusion.images:
            return super().training_section(results)
        records, best, accuracy = results.records, results.best, self.record_name("accuracy")
        name, share = self.majority(confusion)
        return Section(
            title=self.title,
            text=[
                f"In the best epoch, {results.best_epoch}, the validation accuracy is "
                f"{percent(confusion.accuracy)} on {confusion.images:,} images ({INTERVAL} "
                f"{percent_range(confusion.accuracy_interval())}). Always predicting “{name}” gives "
                f"{percent(share)}."
            ],
            pictures=[
                epochs_picture(
                    records,
                    "Validation accuracy and macro-F1",
                    {"accuracy": accuracy, "macro-F1": self.record_name("macro_f1")},
                    "validation score",
                    f"Accuracy is {percent(records[0][accuracy])} after the first epoch, "
                    f"{percent(best[accuracy])} in the best epoch, {best['epoch']}, and "
                    f"{percent(records[-1][accuracy])} at the end.",
                    percent=True,
                    best_epoch=best["epoch"],
                    baseline=(f"always “{name}”", share),
                ),
                self.loss_picture(results, "cross-entropy"),
                confusion_picture(confusion, self.classes, self.noun),
            ],
            tables=[self.class_table(confusion, f"Metrics of each class in epoch {best['epoch']}")],
            notes=[
                "The best epoch is selected on these validation images, so its accuracy is an optimistic "
                "estimate for new images. The interval covers the sampling of images, not this selection."
            ],
        )

    def majority(self, confusion: ConfusionMatrix) -> tuple[str, float]:
        """Return the most frequent class, and the accuracy of always predicting it."""
        counts = confusion.counts.sum(axis=1)
        return self.classes[int(counts.argmax())], float(counts.max() / confusion.images)

    def confusion(self, metrics: Mapping[str, Any]) -> ConfusionMatrix:
        """Return the confusion matrix of a training's epoch or of an evaluation."""
        return ConfusionMatrix(np.array(metrics["confusion_matrix"], dtype=np.int64))

    def class_table(self, confusion: ConfusionMatrix, title: str) -> DataTable:
        """Return recall, precision and F1 of each class."""
        return classes_table(confusion, self.classes, title, self.noun)

    def result_table(self, metrics: Mapping[str, Any], title: str) -> DataTable:
        """Return recall, precision and F1 of each class; see `TaskChapter.result_table`."""
        return self.class_table(self.confusion(metrics), title)

    def answer(self, metrics: Mapping[str, Any], model: str, faces: str) -> str:
        """Return the accuracy in one sentence; see `TaskChapter.answer`."""
        return f"{model} names the {self.noun} of {percent(metrics['accuracy'])} of {faces}."

    def result_line(self, metrics: Mapping[str, Any]) -> str:
        """Return accuracy and macro-F1 with their intervals on one line."""
        confusion = self.confusion(metrics)
        if not confusion.images:
            return f"{capitalised(self.words)}: no image has a target."
        line = scores_line(confusion)
        return line if self.name == EXPRESSION else f"{capitalised(self.words)}: {line[0].lower()}{line[1:]}"

    def evaluation(
        self, metrics: Mapping[str, Any], predictions: pa.Table, target: Target
    ) -> "ClassificationEvaluation":
        """Return what reports contain about an evaluation."""
        return ClassificationEvaluation(self, metrics, predictions, target)


class ClassificationEvaluation(TaskEvaluation):
    """What reports contain about the evaluation of a classification."""

    chapter: ClassificationChapter

    @cached_property
    def confusion(self) -> ConfusionMatrix:
        """The confusion matrix."""
        return self.chapter.confusion(self.metrics)

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """True class of each image, of shape (N,); -1 where it is unknown."""
        labels: npt.NDArray[np.int64] = self.chapter.task.groups(self.target).numpy()
        return labels

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """Probabilities of all classes, of shape (N, E)."""
        return list_values(self.predictions, output_name(self.chapter.name, "probabilities"))

    @cached_property
    def calibration(self) -> Calibration:
        """Calibration on the images with a target, of which there must be one."""
        return measure_calibration(self.probabilities[self.known], self.labels[self.known])

    def headlines(self) -> list[Headline]:
        """Return accuracy, macro-F1 and calibration error."""
        found = self.chapter.headlines(self.metrics)
        if not self.faces:
            return found
        label = "calibration error"
        return [
            *found,
            Headline(
                capitalised(label if self.chapter.name == EXPRESSION else f"{self.chapter.words} {label}"),
                percent(self.calibration.ece),
                f"ECE; up to {percent(self.calibration.chance_ece)} for a calibrated model",
            ),
        ]

    def mistakes(self, most: int) -> list[Mistake]:
        """Return misclassified images with true and predicted class, the most confident first."""
        names, predicted = self.chapter.classes, self.probabilities.argmax(axis=1)
        wrong = np.flatnonzero(self.known & (predicted != self.labels))
        confidence = self.probabilities.max(axis=1)[wrong]
        worst = wrong[np.argsort(-confidence, kind="stable")][:most]
        return [Mistake(int(n), f"{names[self.labels[n]]} / {names[predicted[n]]}") for n in worst]

    @property
    def classes(self) -> tuple[str, dict[str, npt.NDArray[np.bool_]]]:
        """A word for a class, and the images of each class, of shape (N,)."""
        masks = {name: self.labels == number for number, name in enumerate(self.chapter.classes)}
        return self.chapter.noun, masks

    def image_values(self) -> ImageValues:
        """Return whether each image is classified correctly."""
        right = self.probabilities.argmax(axis=1) == self.labels
        values = np.where(self.known, right, np.nan)
        return ImageValues(self.chapter.task.scores[0], values, is_binary=True)

    def filled_sections(self, mistakes: Sequence[Tile]) -> list[Section]:
        """Return classes, worst misclassifications, calibration, and accuracy by face detection."""
        chapter = self.chapter
        sections = [
            Section(
                title=chapter.title,
                pictures=[confusion_picture(self.confusion, chapter.classes, chapter.noun)],
                tables=[self.table("Metrics of each class")],
            ),
            Section(
                title="Most confident misclassifications",
                text=["Some of these are label errors, others show cases that the training data lacks."],
                pictures=sheet_pictures(
                    mistakes,
                    "Most confident misclassifications",
                    "misclassified images",
                    f"True / predicted {chapter.noun}, the highest confidence first.",
                ),
            ),
            calibration_section(self.calibration),
            detection_section(self.predictions["has_landmarks"].to_numpy(), self.image_values()),
        ]
        return [section for section in sections if section.pictures or section.tables]

    def summary(self) -> dict[str, Any]:
        """Return the recall of each class, and the calibration."""
        scores = zip(self.chapter.classes, self.confusion.class_scores(), strict=True)
        found: dict[str, Any] = {"recall": {name: s.recall if s.images else None for name, s in scores}}
        if self.faces:
            found["calibration"] = {
                "ece": self.calibration.ece,
                "chance_ece": self.calibration.chance_ece,
                "overconfidence": self.calibration.overconfidence,
            }
        return found

    def card_lines(self) -> list[str]:
        """Return the metrics of the model card, one on a line, with a sentence about calibration."""
        lines = super().card_lines()
        return [*lines, calibration_sentence(self.calibration)] if self.faces else lines

    def table(self, title: str) -> DataTable:
        """Return recall, precision and F1 of each class."""
        return self.chapter.class_table(self.confusion, title)

    def card_table(self) -> DataTable:
        """Return recall, precision and F1 of each class."""
        return self.table("")
