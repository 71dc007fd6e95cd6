"""Multilabel classification: yes-or-no labels per face, such as action units.

Shape letters: N rows, B faces of a batch, K labels, D embedding dimensions.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.nn import functional

from faceml.config import ConfigError, MultilabelConfig
from faceml.datasets import Mix, Moves, Target, number_columns
from faceml.metrics import LabelCounts, PairedMetric, Score, compare_means
from faceml.models import ClassHead
from faceml.statistics import Interval
from faceml.tasks.columns import list_column
from faceml.tasks.names import output_name
from faceml.tasks.plain_numbers import rounded_by_name
from faceml.tasks.task import Task, TaskMetric, Values
from faceml.tasks.task_loss import TaskLoss, sum_over_count

if TYPE_CHECKING:
    from faceml.tasks.chapters.multilabel import MultilabelChapter

MISSING = -1.0
"""Value of a label without annotation; the row's other labels are used."""


class MultilabelTask(Task[MultilabelConfig]):
    """Predict the probability of each of K labels, independently."""

    config_class = MultilabelConfig
    likelihood = "classification"

    def read(self, rows: pa.Table, source: str) -> Target:
        """Return 0, 1 or `MISSING`, float32 of shape (N, K); rows without any label are unknown."""
        values = number_columns(rows, self.columns, f"tasks.{self.name}.target")
        given = np.isfinite(values)
        wrong = np.argwhere(given & (values != 0) & (values != 1))
        if len(wrong):
            row, column = wrong[0]
            raise ConfigError(
                f"tasks.{self.name}.target: column {self.columns[column]} has {values[row, column]:g} in "
                f"{rows['image_id'][int(row)].as_py()}; labels are 0, 1 or empty."
            )
        found = np.where(given, values, MISSING).astype(np.float32)
        return Target(torch.from_numpy(found), torch.from_numpy(given.any(axis=1)))

    def move(self, values: Tensor, moves: Moves) -> Tensor:
        """Return the labels of flipped images, in which left and right are exchanged."""
        return torch.where(moves.flips[:, None], self.mirror_output(values), values)

    def mirror_output(self, output: Tensor) -> Tensor:
        """Return the columns (B, K) of mirrored images, in which left and right are exchanged."""
        other = dict(self.config.swap_on_flip) | {b: a for a, b in self.config.swap_on_flip}
        return output[:, [self.columns.index(other.get(column, column)) for column in self.columns]]

    def mix(self, target: Target, mix: Mix) -> Target:
        """Return the mean of the labels of both images, `MISSING` where one of them lacks it."""
        own, other = target.values, target.values[mix.partners]
        shares = mix.shares[:, None]
        is_missing = (own == MISSING) | ((other == MISSING) & (shares < 1))
        values = torch.where(is_missing, MISSING, torch.lerp(other, own, shares))
        return Target(values, (values != MISSING).any(dim=1))

    def count(self, target: Target) -> Tensor:
        """Return the number of annotated labels, in rows of K."""
        return (target.values != MISSING).sum() / target.values.shape[1]

    def build_head(self, embedding_dim: int) -> nn.Module:
        """Return a linear layer from embeddings (B, D) to logits (B, K)."""
        return ClassHead(embedding_dim, len(self.columns))

    def build_loss(self, target: Target | None = None) -> TaskLoss:
        """Return the mean binary cross-entropy of annotated labels."""
        weights = None
        if target is not None and self.config.loss.positive_weights == "inverse_frequency":
            positives, negatives = ((target.values == value).sum(dim=0) for value in (1, 0))
            has_both = (positives > 0) & (negatives > 0)
            weights = torch.where(has_both, negatives / positives.clamp(min=1), 1.0)
        return _BinaryCrossEntropy(weights)

    def build_metric(self) -> TaskMetric:
        """Return mean accuracy and F1 of the labels, and their counts."""
        return _LabelMetrics(self)

    @property
    def scores(self) -> Sequence[Score]:
        """Macro-F1 and mean accuracy of the labels."""
        return (
            Score("macro_f1", "macro-F1", minimised=False, is_share=False, digits=3),
            Score("accuracy", "accuracy", minimised=False, is_share=True, digits=1),
        )

    @property
    def part_scores(self) -> Sequence[Score]:
        """F1 of each label, and the cross-entropy."""
        of_labels = (
            Score(f"f1_{label}", f"F1 of {label}", minimised=False, is_share=False, digits=3)
            for label in self.columns
        )
        return (*of_labels, Score("loss", "cross-entropy", minimised=True, is_share=False, digits=3))

    def intervals(self, results: Mapping[str, Any]) -> dict[str, Interval]:
        """Return the interval of macro-F1."""
        counts = LabelCounts(np.array(results["label_counts"]))
        return {"macro_f1": counts.macro_f1_interval()} if counts.images.all() else {}

    def outputs(self, output: Tensor) -> dict[str, Tensor]:
        """Return `<task>_probabilities` and `<task>_logits`, of shape (B, K)."""
        logits = output.float()
        return {
            self._probabilities: logits.sigmoid(),
            output_name(self.name, "logits"): logits,
        }

    def face_fields(self) -> list[pa.Field]:
        """Return the names of the predicted labels, and the probabilities of all."""
        probabilities = pa.list_(pa.float32(), len(self.columns))
        return [pa.field(self.name, pa.list_(pa.string())), pa.field(self._probabilities, probabilities)]

    def as_row(self, values: Values) -> dict[str, Any]:
        """Return the values of `face_fields`."""
        probabilities = values[self._probabilities]
        predicted = zip(self.columns, self._predicts(probabilities), strict=True)
        return {self.name: [label for label, is_on in predicted if is_on], self._probabilities: probabilities}

    def as_plain(self, values: Values) -> dict[str, Any]:
        """Return the predicted labels, and the probabilities by label."""
        by_label = rounded_by_name(self.columns, values[self._probabilities])
        return self.as_row(values) | {self._probabilities: by_label}

    def caption(self, values: Values) -> str:
        """Return the predicted labels."""
        return ", ".join(self.as_row(values)[self.name]) or "none"

    def compare(
        self, first: Values, second: Values, target: Target, confidence: float = 0.95
    ) -> list[PairedMetric]:
        """Compare macro-F1."""
        known = target.known.numpy()
        if not known.any():
            return []
        labels = target.values.numpy()[known]
        one, other = (
            _macro_f1_terms(labels, self._predicts(values[self._probabilities][known]))
            for values in (first, second)
        )
        return [compare_means("macro_f1", f"{self.name} macro-F1", one, other, confidence=confidence)]

    def _predicts(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        predicted: npt.NDArray[np.bool_] = probabilities > np.float32(self.config.threshold)
        return predicted

    @property
    def _probabilities(self) -> str:
        return output_name(self.name, "probabilities")

    def contract(self) -> dict[str, Any]:
        """Return the names of the labels and the threshold."""
        return {"labels": list(self.columns), "threshold": self.config.threshold}

    def prediction_columns(self, output: Tensor, target: Target) -> dict[str, pa.Array]:
        """Return true labels, 0 or 1, and probabilities, as lists of K; NaN where a label is unknown."""
        truth = target.values.float().masked_fill(target.values == MISSING, torch.nan)
        return {
            output_name(self.name, "label"): list_column(truth, target.known),
            self._probabilities: list_column(output.float().sigmoid()),
        }

    def chapter(self) -> "MultilabelChapter":
        """Return what reports and the terminal show of the task."""
        from faceml.tasks.chapters.multilabel import MultilabelChapter  # slow to import: charts

        return MultilabelChapter(self, self.columns, self.config.threshold)


def _macro_f1_terms(
    labels: npt.NDArray[np.float32], predicted: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return a value for each image, whose mean is macro-F1, and their variance that of its estimate.

    F1 is the ratio of two sums over images, 2·TP and 2·TP + FP + FN. The values are its linear
    approximation in the contribution of each image (delta method).

    Args:
        labels: 0, 1 or `MISSING`, of shape (N, K).
        predicted: Predicted labels, of shape (N, K).

    Returns:
        float64 of shape (N,), the mean over the labels that are annotated or predicted.
    """
    hits = 2.0 * ((labels == 1) & predicted)
    sizes = np.where(labels == MISSING, 0.0, (labels == 1) * 1.0 + predicted)
    occurs = sizes.any(axis=0)
    hits, sizes = hits[:, occurs], sizes[:, occurs]
    f1 = hits.sum(axis=0) / sizes.sum(axis=0)
    terms: npt.NDArray[np.float64] = (f1 + (hits - f1 * sizes) / sizes.mean(axis=0)).mean(axis=1)
    return terms


class _BinaryCrossEntropy(TaskLoss):
    """Mean binary cross-entropy over annotated labels.

    Args:
        positive_weights: Weight of positives of each label, float32 of shape (K,); None for equal ones.
    """

    positive_weights: Tensor | None

    def __init__(self, positive_weights: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("positive_weights", positive_weights, persistent=False)

    def forward(self, output: Tensor, target: Target, count: Tensor) -> Tensor:
        """Return the loss of a batch; see `TaskLoss`."""
        losses = functional.binary_cross_entropy_with_logits(
            output.float(),
            target.values.clamp(min=0.0),
            pos_weight=self.positive_weights,
            reduction="none",
        )
        labels = output.shape[1]
        return sum_over_count(torch.where(target.values == MISSING, 0.0, losses), count * labels)


class _LabelMetrics(TaskMetric):
    """Metrics over annotated labels.

    * `accuracy`, `macro_f1`: means over the labels of the share of right answers, and of F1.
    * `f1_<label>`: F1 of a label; NaN if it is neither annotated nor predicted.
    * `label_counts`: int64 of shape (K, 2, 2), counts by annotation and prediction.
    * `loss`: mean binary cross-entropy.

    Args:
        task: The task.
    """

    def __init__(self, task: MultilabelTask) -> None:
        # Imported here, because importing torchmetrics takes seconds.
        from torchmetrics import MeanMetric
        from torchmetrics.classification import MultilabelConfusionMatrix

        super().__init__()
        self._task = task
        self.counts = MultilabelConfusionMatrix(
            len(task.columns),
            threshold=task.config.threshold,
            ignore_index=int(MISSING),
            validate_args=False,  # refuses a single label
        )
        self.loss = MeanMetric(nan_strategy="ignore")  # NaN if all are, as of a diverged network
        self.task_loss = _BinaryCrossEntropy()

    def update(self, output: Tensor, target: Target) -> None:
        """Add a batch of logits."""
        count = self._task.count(target)
        self.counts.update(output.float().sigmoid(), target.values.long())
        self.loss.update(self.task_loss(output, target, count), weight=count)

    def compute(self) -> dict[str, Tensor]:
        """Return the metrics by name."""
        counts = self.counts.compute()
        true_negatives, false_positives, false_negatives, true_positives = counts.flatten(1).unbind(dim=1)
        f1 = 2 * true_positives / (2 * true_positives + false_positives + false_negatives)
        each = {f"f1_{label}": value for label, value in zip(self._task.columns, f1, strict=True)}
        right = (true_positives + true_negatives) / counts.sum(dim=(1, 2))
        return {
            "accuracy": right.nanmean(),
            "macro_f1": f1.nanmean(),
            **each,
            "label_counts": counts,
            "loss": self.loss.compute(),
        }
