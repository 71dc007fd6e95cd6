"""Distances of landmarks from their targets in interocular distances.

Shape letters: B images of a batch, L predicted landmarks, T landmarks of the target.
"""

from torch import Tensor

from faceml.tables import LandmarkSet


def normalized_errors(predicted: Tensor, target: Tensor, landmark_set: LandmarkSet) -> Tensor:
    """Return the distance of each landmark from its target, divided by the interocular distance.

    Args:
        predicted: Of shape (B, L, 2), normalised coordinates.
        target: Of shape (B, T, 2), the same L landmarks first; its eye centres define the interocular
            distance.
        landmark_set: The T landmarks.

    Returns:
        Of shape (B, L).
    """
    left_eye = target[:, list(landmark_set.left_eye)].mean(dim=1)
    right_eye = target[:, list(landmark_set.right_eye)].mean(dim=1)
    interocular = (right_eye - left_eye).norm(dim=1)
    errors: Tensor = (predicted - target[:, : predicted.shape[1]]).norm(dim=2) / interocular[:, None]
    return errors
