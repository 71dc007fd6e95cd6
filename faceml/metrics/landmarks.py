"""Metrics of landmarks, accumulated over batches and workers.

Shape letters: B images of a batch, L predicted landmarks, T landmarks of the target.
"""

import torch
from torch import Tensor
from torchmetrics import Metric

from faceml.metrics.normalized_errors import normalized_errors
from faceml.tables import LandmarkSet


class LandmarkAgreement(Metric):
    """Mean squared error and normalised mean error (NME) of predicted landmarks.

    Targets are the landmarks of MediaPipe, not manual annotations. NME is the mean distance of a landmark
    from its target divided by the interocular distance of the target; faces in profile, whose eyes are close
    together, have the largest weight in it.

    Distances are measured in the network's square input, in units of its side. Values are NaN before the
    first face with landmarks.

    Args:
        landmark_set: The T landmarks of targets, the predicted ones first.
        num_landmarks: L; None for all.
    """

    full_state_update = False
    higher_is_better = False
    is_differentiable = False

    squared_error: Tensor
    normalized_error: Tensor
    faces: Tensor

    def __init__(self, landmark_set: LandmarkSet, num_landmarks: int | None = None) -> None:
        super().__init__()
        self.landmark_set = landmark_set
        self.names = landmark_set.names[:num_landmarks]
        # float64: a float32 sum over a million faces would lose precision.
        zeros = torch.zeros(len(self.names), dtype=torch.float64)
        self.add_state("squared_error", zeros.clone(), dist_reduce_fx="sum")
        self.add_state("normalized_error", zeros.clone(), dist_reduce_fx="sum")
        self.add_state("faces", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, predicted: Tensor, target: Tensor, has_landmarks: Tensor) -> None:
        """Add a batch.

        Args:
            predicted: float32 of shape (B, L, 2), normalised coordinates.
            target: float32 of shape (B, T, 2); rows without landmarks are ignored and may be NaN.
            has_landmarks: bool of shape (B,).
        """
        predicted, target = predicted[has_landmarks].double(), target[has_landmarks].double()
        errors = predicted - target[:, : predicted.shape[1]]
        self.squared_error += errors.square().mean(dim=2).sum(dim=0)
        self.normalized_error += normalized_errors(predicted, target, self.landmark_set).sum(dim=0)
        self.faces += has_landmarks.sum()

    def compute(self) -> dict[str, Tensor]:
        """Return scalars: `mse`, `nme_interocular`, and `nme_<name>` for each landmark."""
        nme = self.normalized_error / self.faces
        return {
            "mse": (self.squared_error / self.faces).mean(),
            "nme_interocular": nme.mean(),
            **{f"nme_{name}": value for name, value in zip(self.names, nme, strict=True)},
        }
