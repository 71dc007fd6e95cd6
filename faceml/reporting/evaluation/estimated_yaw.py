"""Which way a face looks, by where a network places its points: also of faces that a detector misses.

Shape letters: N images, L landmarks.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from faceml.tables import LandmarkSet

LEAST_FACES = 30
"""With a known yaw, to fit two coefficients to."""
SMALLEST_EYE_DISTANCE = 1e-3
SMALLEST_SPREAD = 1e-6

Values = npt.NDArray[np.floating[Any]]


class EstimatedYaw(NamedTuple):
    """Estimates for all images.

    Attributes:
        yaw_deg: Of shape (N,).
        correlation: With the yaw that is known.
        faces: Of which it is known.
    """

    yaw_deg: Values
    correlation: float
    faces: int


def estimate_yaw(points: Values, landmark_set: LandmarkSet, known_deg: Values) -> EstimatedYaw | None:
    """Fit the yaw to how far the tip of the nose lies beside the middle of the eyes.

    Args:
        points: Of shape (N, L, 2), as a network places them.
        landmark_set: What they are.
        known_deg: Of shape (N,), NaN where no face was found.

    Returns:
        None if the yaw of fewer than `LEAST_FACES` is known.
    """
    left = points[:, landmark_set.left_eye].mean(axis=1)
    right = points[:, landmark_set.right_eye].mean(axis=1)
    nose = points[:, landmark_set.names.index("nose_tip")]
    axis = right - left
    squared = np.maximum(np.square(axis).sum(axis=1), SMALLEST_EYE_DISTANCE**2)
    # In eye distances, along the line of the eyes: a tilt of the head changes nothing.
    beside = ((nose - (left + right) / 2) * axis).sum(axis=1) / squared
    known = np.isfinite(known_deg)
    if known.sum() < LEAST_FACES:
        return None
    faces = int(known.sum())
    if min(np.std(beside[known]), np.std(known_deg[known])) < SMALLEST_SPREAD:  # one of them says nothing
        return EstimatedYaw(np.full(len(points), known_deg[known].mean()), 0.0, faces)
    slope, offset = np.polyfit(beside[known], known_deg[known], 1)
    correlation = float(np.corrcoef(beside[known], known_deg[known])[0, 1])
    return EstimatedYaw(slope * beside + offset, abs(correlation), faces)
