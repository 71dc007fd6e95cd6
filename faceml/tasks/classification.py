"""Classification: one class per face, or a distribution over classes such as the votes of annotators.

Shape letters: N rows, B faces of a batch, E classes, D embedding dimensions.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from faceml.config import FOLDER, ClassificationConfig, ConfigError
from faceml.datasets import Mix, Target
from faceml.losses import build_class_weights, cross_entropies
from faceml.metrics import ConfusionMatrix, PairedMetric, Score, compare_shares
from faceml.models import ClassHead
from faceml.statistics import Interval
from faceml.tasks.classes import LEFT_OUT, UNKNOWN, Classes, build_classes
from faceml.tasks.columns import class_column, list_column
from faceml.tasks.names import output_name
from faceml.tasks.plain_numbers import rounded_by_name
from faceml.tasks.task import Task, TaskMetric, Values
from faceml.tasks.task_loss import TaskLoss, sum_over_count
from faceml.tasks.votes import are_votes, labels_of, mix_distributions, read_votes

if TYPE_CHECKING:
    from faceml.tasks.chapters.classification import ClassificationChapter


class ClassificationTask(Task[ClassificationConfig]):
    """Predict the class of a face from E logits."""

    config_class = ClassificationConfig
    likelihood = "classification"

    def __init__(self, name: str, config: ClassificationConfig) -> None:
        super().__init__(name, config)
        self._classes: Classes | None = None

    @property
    def classes(self) -> Classes:
        """The classes, in the order of the logits.

        Raises:
            ConfigError: They are to be found in a training split, which has not been read.
        """
        if self._classes is None and self._spec == "found":
            raise ConfigError(f"tasks.{self.name}.classes: found: needs a training split.")
        return self._classes or self._build_classes(None)

    def learn(self, rows: pa.Table, source: str) -> None:
        """Find the classes in the training split, and those that are left out."""
        has_votes = are_votes(rows, self.columns)
        if has_votes and self._spec == "found":
            raise ConfigError(
                f"{self._setting}.classes: found: column {self.columns[0]} has lists of "
                "votes, without names. List the classes in their order."
            )
        self._classes = self._build_classes(None if has_votes else rows[self.columns[0]])

    def learned(self) -> dict[str, Any]:
        """Return the classes, with their other spellings and those that are left out."""
        return self.classes.as_plain()

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Set the classes of a model."""
        self._classes = Classes.from_plain(learned)

    def fingerprint(self) -> dict[str, Any]:
        """Return plain values that differ between tasks with different targets, with the listed classes."""
        listed = None if self._spec == "found" else self._build_classes(None).as_plain()
        return super().fingerprint() | {"classes": listed}

    def excluded(self, rows: pa.Table, source: str) -> dict[str, pa.Array]:
        """Return the rows of classes that are left out."""
        if not self.config.leave_out or are_votes(rows, self.columns):
            return {}
        codes = self.classes.encode(rows[self.columns[0]], self._where(source), self._setting)
        return {f"by {self._setting}.leave_out": pa.array(codes == LEFT_OUT)}

    def read(self, rows: pa.Table, source: str) -> Target:
        """Return classes, int64 of shape (N,), or distributions, float32 of shape (N, E)."""
        if are_votes(rows, self.columns):
            return read_votes(rows, self.columns, self.classes, self._where(source), self._setting)
        codes = self.classes.encode(rows[self.columns[0]], self._where(source), self._setting)
        known = torch.from_numpy(codes != UNKNOWN)
        return Target(torch.from_numpy(np.where(codes == UNKNOWN, 0, codes)), known)

    def check_folder_names(self, names: Sequence[str]) -> None:
        """Check the order of the classes against the names of numbered folders."""
        if self.config.target == FOLDER and self.config.classes != "found":
            self.classes.refuse_other_order(names, self._setting)

    @property
    def group_names(self) -> Sequence[str]:
        """Names of the classes."""
        return self.classes.names

    def groups(self, target: Target) -> Tensor:
        """Return the class of each row, the most frequent of a distribution; -1 where it is unknown."""
        return torch.where(target.known, labels_of(target.values), UNKNOWN)

    def mix(self, target: Target, mix: Mix) -> Target:
        """Return the mean of the distributions of both images, float32 of shape (B, E)."""
        return mix_distributions(target, mix, len(self.classes.names))

    def build_head(self, embedding_dim: int) -> nn.Module:
        """Return a linear layer from embeddings (B, D) to logits (B, E)."""
        return ClassHead(embedding_dim, len(self.classes.names))

    def build_loss(self, target: Target | None = None) -> TaskLoss:
        """Return the cross-entropy, with class weights from the counts of the training split."""
        weights = None
        if target is not None and self.config.loss.class_weights != "none":
            weights = build_class_weights(self.config.loss, self.group_counts(target))
        return _CrossEntropy(weights, self.config.loss.label_smoothing, self.config.loss.focal_gamma)

    def build_metric(self) -> TaskMetric:
        """Return accuracy, macro-F1, unweighted cross-entropy and the confusion matrix."""
        return _ClassMetrics(len(self.classes.names))

    @property
    def scores(self) -> Sequence[Score]:
        """Accuracy and macro-F1."""
        return (
            Score("accuracy", "accuracy", minimised=False, is_share=True, digits=1),
            Score("macro_f1", "macro-F1", minimised=False, is_share=False, digits=3),
        )

    @property
    def part_scores(self) -> Sequence[Score]:
        """The cross-entropy."""
        return (Score("loss", "cross-entropy", minimised=True, is_share=False, digits=3),)

    def intervals(self, results: Mapping[str, Any]) -> dict[str, Interval]:
        """Return the intervals of accuracy and macro-F1."""
        confusion = ConfusionMatrix(np.array(results["confusion_matrix"]))
        if not confusion.images:
            return {}
        return {"accuracy": confusion.accuracy_interval(), "macro_f1": confusion.macro_f1_interval()}

    def outputs(self, output: Tensor) -> dict[str, Tensor]:
        """Return `probabilities` and `logits`, of shape (B, E)."""
        logits = output.float()
        return {
            self._probabilities: logits.softmax(dim=1),
            output_name(self.name, "logits"): logits,
        }

    def face_fields(self) -> list[pa.Field]:
        """Return the name of the most probable class, and the probabilities of all."""
        probabilities = pa.list_(pa.float32(), len(self.classes.names))
        return [pa.field(self.name, pa.string()), pa.field(self._probabilities, probabilities)]

    def as_row(self, values: Values) -> dict[str, Any]:
        """Return the values of `face_fields`."""
        probabilities = values[self._probabilities]
        name = self.classes.names[int(probabilities.argmax())]
        return {self.name: name, self._probabilities: probabilities}

    def as_plain(self, values: Values) -> dict[str, Any]:
        """Return the class, and the probabilities by class."""
        by_class = rounded_by_name(self.classes.names, values[self._probabilities])
        return self.as_row(values) | {self._probabilities: by_class}

    def caption(self, values: Values) -> str:
        """Return the most probable class and its probability."""
        return f"{self.as_row(values)[self.name]} {values[self._probabilities].max():.0%}"

    def compare(
        self, first: Values, second: Values, target: Target, confidence: float = 0.95
    ) -> list[PairedMetric]:
        """Compare the accuracies."""
        known = target.known.numpy()
        if not known.any():
            return []
        labels = labels_of(target.values).numpy()[known]
        one, other = (values[self._probabilities][known].argmax(axis=1) for values in (first, second))
        agreement = float((one == other).mean())
        named = "accuracy", f"{self.name} accuracy"
        return [compare_shares(*named, one == labels, other == labels, agreement, confidence=confidence)]

    def contract(self) -> dict[str, Any]:
        """Return the names of the classes."""
        return {"classes": list(self.classes.names)}

    def prediction_columns(self, output: Tensor, target: Target) -> dict[str, pa.Array]:
        """Return true and predicted classes, as positions in `classes`, and probabilities."""
        count = len(self.classes.names)
        columns = {
            "label": class_column(self.groups(target), target.known, count),
            "predicted": class_column(output.argmax(dim=1), torch.ones_like(target.known), count),
            "probabilities": list_column(output.float().softmax(dim=1)),
        }
        return {output_name(self.name, name): column for name, column in columns.items()}

    def chapter(self) -> "ClassificationChapter":
        """Return what reports and the terminal show of the task."""
        from faceml.tasks.chapters.classification import ClassificationChapter  # slow to import: charts

        return ClassificationChapter(self, self.classes.names)

    def _build_classes(self, values: pa.ChunkedArray | None) -> Classes:
        config = self.config
        return build_classes(self._spec, config.aliases, config.leave_out, values, self._setting)

    @property
    def _spec(self) -> str | tuple[str, ...]:
        """The setting `classes`, for which several columns of votes are `found` by their names."""
        is_named = self.config.classes == "found" and len(self.columns) > 1
        return tuple(self.columns) if is_named else self.config.classes

    @property
    def _probabilities(self) -> str:
        return output_name(self.name, "probabilities")

    @property
    def _setting(self) -> str:
        return f"tasks.{self.name}"

    def _where(self, source: str) -> str:
        columns = f"column{'s' if len(self.columns) > 1 else ''} {', '.join(self.columns)}"
        return f"{source}: {FOLDER if self.config.target == FOLDER else columns}"


class _CrossEntropy(TaskLoss):
    """Class-weighted cross-entropy.

    Args:
        class_weights: Weights of the classes, float32 of shape (E,); None for equal ones.
        label_smoothing: Label smoothing in [0, 1).
        focal_gamma: Exponent of the focal loss.
    """

    class_weights: Tensor | None

    def __init__(self, class_weights: Tensor | None, label_smoothing: float, focal_gamma: float) -> None:
        super().__init__()
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma

    def forward(self, output: Tensor, target: Target, count: Tensor) -> Tensor:
        """Return the loss of a batch; see `TaskLoss`."""
        losses = cross_entropies(
            output, target.values, self.class_weights, self.label_smoothing, self.focal_gamma
        )
        return sum_over_count(torch.where(target.known, losses, 0.0), count)


class _ClassMetrics(TaskMetric):
    """Metrics of a classification.

    * `accuracy`: share of correctly classified images.
    * `macro_f1`: unweighted mean of F1 over the classes that occur among true or predicted labels.
    * `confusion_matrix`: int64 of shape (E, E), counts; rows are true labels, columns predictions.
    * `loss`: mean cross-entropy, without weights and smoothing.

    Args:
        num_classes: Number E of classes.
    """

    def __init__(self, num_classes: int) -> None:
        # Imported here, because importing torchmetrics takes seconds.
        from torchmetrics import MeanMetric, MetricCollection
        from torchmetrics.classification import (
            MulticlassAccuracy,
            MulticlassConfusionMatrix,
            MulticlassF1Score,
        )

        super().__init__()
        self.classes = MetricCollection(
            {
                "accuracy": MulticlassAccuracy(num_classes, average="micro", ignore_index=UNKNOWN),
                "macro_f1": MulticlassF1Score(num_classes, average="macro", ignore_index=UNKNOWN),
                "confusion_matrix": MulticlassConfusionMatrix(num_classes, ignore_index=UNKNOWN),
            }
        )
        self.loss = MeanMetric(nan_strategy="ignore")  # NaN if all are, as of a diverged network

    def update(self, output: Tensor, target: Target) -> None:
        """Add a batch of logits."""
        logits, known = output.float(), target.known
        self.classes.update(logits, torch.where(known, labels_of(target.values), UNKNOWN))
        self.loss.update(cross_entropies(logits[known], target.values[known]))

    def compute(self) -> dict[str, Tensor]:
        """Return the metrics by name."""
        found = self.classes.compute()
        is_empty = found["confusion_matrix"].sum() == 0  # torchmetrics has 0 for the shares of no image
        shares = {
            name: torch.where(is_empty, torch.nan, value) for name, value in found.items() if value.ndim == 0
        }
        return {**found, **shares, "loss": self.loss.compute()}
