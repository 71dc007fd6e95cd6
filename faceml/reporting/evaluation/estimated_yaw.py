"""Estimation of yaw from predicted landmarks, also for faces that the landmark detector misses.

Shape letters: N images, L landmarks.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from faceml.tables import LandmarkSet

LEAST_FACES = 30
"""Smallest number of faces with known yaw that the linear fit needs."""
SMALLEST_EYE_DISTANCE = 1e-3
SMALLEST_SPREAD = 1e-6

Values = npt.NDArray[np.floating[Any]]


class EstimatedYaw(NamedTuple):
    """Estimated yaw of all images.

    Attributes:
        yaw_deg: Of shape (N,), degrees.
        correlation: Absolute correlation with the known yaw.
        faces: Number of faces with known yaw.
    """

    yaw_deg: Values
    correlation: float
    faces: int


def estimate_yaw(points: Values, landmark_set: LandmarkSet, known_deg: Values) -> EstimatedYaw | None:
    """Estimate yaw by a linear fit to the offset of the nose tip from the midpoint of the eyes.

    Args:
        points: Predicted landmarks, of shape (N, L, 2).
        landmark_set: The L landmarks.
        known_deg: Of shape (N,), degrees; NaN where no face was detected.

    Returns:
        None if the yaw is known for fewer than `LEAST_FACES` faces.
    """
    left = points[:, landmark_set.left_eye].mean(axis=1)
    right = points[:, landmark_set.right_eye].mean(axis=1)
    nose = points[:, landmark_set.names.index("nose_tip")]
    axis = right - left
    squared = np.maximum(np.square(axis).sum(axis=1), SMALLEST_EYE_DISTANCE**2)
    # In interocular distances along the line of the eyes: invariant to roll.
    beside = ((nose - (left + right) / 2) * axis).sum(axis=1) / squared
    known = np.isfinite(known_deg)
    if known.sum() < LEAST_FACES:
        return None
    faces = int(known.sum())
    if min(np.std(beside[known]), np.std(known_deg[known])) < SMALLEST_SPREAD:  # no fit to a constant
        return EstimatedYaw(np.full(len(points), known_deg[known].mean()), 0.0, faces)
    slope, offset = np.polyfit(beside[known], known_deg[known], 1)
    correlation = float(np.corrcoef(beside[known], known_deg[known])[0, 1])
    return EstimatedYaw(slope * beside + offset, abs(correlation), faces)
