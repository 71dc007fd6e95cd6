"""From FaceMesh to the few points of a landmark set."""

import numpy as np

from faceml.landmarks.detector import Points
from faceml.schema import LandmarkSet


def select_points(mesh: Points, landmark_set: LandmarkSet) -> Points:
    """Choose the points of a set: each is the mean of its mesh vertices.

    Args:
        mesh: float32 of shape (478, 2 or 3), x and y normalised.
        landmark_set: The L points wanted.

    Returns:
        float32 of shape (L, 2).
    """
    return np.stack([mesh[list(indices), :2].mean(axis=0) for indices in landmark_set.mesh_indices])
