"""Metrics of the expression and landmark tasks, accumulated over batches and workers.

Shape letters: B images of a batch, E expressions, L landmarks.
"""

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassF1Score

from faceml.tables import LandmarkSet


def expression_metrics(num_classes: int) -> MetricCollection:
    """Return the metrics of the expression task; `update` takes logits (B, E) and true labels (B,).

    * `accuracy`: share of correctly classified images.
    * `macro_f1`: unweighted mean of F1 over the classes that occur among true or predicted labels.
    * `confusion_matrix`: int64 of shape (E, E), counts; rows are true labels, columns predictions.

    Args:
        num_classes: Number E of expressions.
    """
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(num_classes, average="micro"),
            "macro_f1": MulticlassF1Score(num_classes, average="macro"),
            "confusion_matrix": MulticlassConfusionMatrix(num_classes),
        }
    )


def normalized_errors(predicted: Tensor, target: Tensor, landmark_set: LandmarkSet) -> Tensor:
    """Return the distance of each landmark from its target, divided by the interocular distance.

    Args:
        predicted: Of shape (B, L, 2), normalised coordinates.
        target: Of shape (B, L, 2); its eye centres define the interocular distance.
        landmark_set: The L landmarks.

    Returns:
        Of shape (B, L).
    """
    left_eye = target[:, list(landmark_set.left_eye)].mean(dim=1)
    right_eye = target[:, list(landmark_set.right_eye)].mean(dim=1)
    interocular = (right_eye - left_eye).norm(dim=1)
    errors: Tensor = (predicted - target).norm(dim=2) / interocular[:, None]
    return errors


class LandmarkAgreement(Metric):
    """Mean squared error and normalised mean error (NME) of predicted landmarks.

    Targets are the landmarks of MediaPipe, not manual annotations. NME is the mean distance of a landmark
    from its target divided by the interocular distance of the target; faces in profile, whose eyes are close
    together, have the largest weight in it.

    Distances are measured in the network's square input, in units of its side. Values are NaN before the
    first face with landmarks.

    Args:
        landmark_set: The L landmarks.
    """

    full_state_update = False
    higher_is_better = False
    is_differentiable = False

    squared_error: Tensor
    normalized_error: Tensor
    faces: Tensor

    def __init__(self, landmark_set: LandmarkSet) -> None:
        super().__init__()
        self.landmark_set = landmark_set
        # float64: a float32 sum over a million faces would lose precision.
        zeros = torch.zeros(len(landmark_set), dtype=torch.float64)
        self.add_state("squared_error", zeros.clone(), dist_reduce_fx="sum")
        self.add_state("normalized_error", zeros.clone(), dist_reduce_fx="sum")
        self.add_state("faces", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, predicted: Tensor, target: Tensor, has_landmarks: Tensor) -> None:
        """Add a batch.

        Args:
            predicted: float32 of shape (B, L, 2), normalised coordinates.
            target: float32 of shape (B, L, 2); rows without landmarks are ignored and may be NaN.
            has_landmarks: bool of shape (B,).
        """
        predicted, target = predicted[has_landmarks].double(), target[has_landmarks].double()
        self.squared_error += (predicted - target).square().mean(dim=2).sum(dim=0)
        self.normalized_error += normalized_errors(predicted, target, self.landmark_set).sum(dim=0)
        self.faces += has_landmarks.sum()

    def compute(self) -> dict[str, Tensor]:
        """Return scalars: `landmark_mse`, `nme_interocular`, and `nme_<name>` for each landmark."""
        nme = self.normalized_error / self.faces
        return {
            "landmark_mse": (self.squared_error / self.faces).mean(),
            "nme_interocular": nme.mean(),
            **{f"nme_{name}": value for name, value in zip(self.landmark_set.names, nme, strict=True)},
        }
