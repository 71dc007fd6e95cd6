"""How far predicted landmarks are from MediaPipe's.

Shape letters: B images of a batch, L landmarks.
"""

import torch
from torch import Tensor
from torchmetrics import Metric

from faceml.tables import LandmarkSet


def normalized_errors(predicted: Tensor, target: Tensor, landmark_set: LandmarkSet) -> Tensor:
    """Return the distance of each point from its target, divided by that of the target's eye centres.

    Args:
        predicted: Of shape (B, L, 2), normalised coordinates.
        target: Likewise.
        landmark_set: The L points; names the eyes.

    Returns:
        Of shape (B, L).
    """
    left_eye = target[:, list(landmark_set.left_eye)].mean(dim=1)
    right_eye = target[:, list(landmark_set.right_eye)].mean(dim=1)
    interocular = (right_eye - left_eye).norm(dim=1)
    errors: Tensor = (predicted - target).norm(dim=2) / interocular[:, None]
    return errors


class LandmarkAgreement(Metric):
    """Measure the agreement of predicted landmarks with MediaPipe's, on the faces that have any.

    No person placed these points: a perfect score means that the network does as MediaPipe does, right or
    wrong. The normalised mean error (NME) is the mean distance of a point from its target divided by the
    distance between the target's eye centres. Faces in profile, with eyes close together, weigh most in it.

    Distances are taken in the image as the network sees it, a square, in units of its side. All is NaN as
    long as no face with landmarks was seen: 0 would say perfect.

    Args:
        landmark_set: The L points; names the eyes, and the points in the result.
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
        # float64: a float32 sum over a million faces would lose the last ones' digits.
        zeros = torch.zeros(len(landmark_set), dtype=torch.float64)
        self.add_state("squared_error", zeros.clone(), dist_reduce_fx="sum")
        self.add_state("normalized_error", zeros.clone(), dist_reduce_fx="sum")
        self.add_state("faces", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, predicted: Tensor, target: Tensor, has_landmarks: Tensor) -> None:
        """Add a batch.

        Args:
            predicted: float32 of shape (B, L, 2), normalised coordinates.
            target: float32 of shape (B, L, 2); rows without landmarks may hold anything, NaN included.
            has_landmarks: bool of shape (B,).
        """
        predicted, target = predicted[has_landmarks].double(), target[has_landmarks].double()
        self.squared_error += (predicted - target).square().mean(dim=2).sum(dim=0)
        self.normalized_error += normalized_errors(predicted, target, self.landmark_set).sum(dim=0)
        self.faces += has_landmarks.sum()

    def compute(self) -> dict[str, Tensor]:
        """Return scalars: `landmark_mse`, `nme_interocular`, and `nme_<point>` for each point."""
        nme = self.normalized_error / self.faces
        return {
            "landmark_mse": (self.squared_error / self.faces).mean(),
            "nme_interocular": nme.mean(),
            **{f"nme_{name}": value for name, value in zip(self.landmark_set.names, nme, strict=True)},
        }
