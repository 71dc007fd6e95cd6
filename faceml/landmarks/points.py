"""From FaceMesh to the few points of a landmark set."""

from functools import cache

import numpy as np
import numpy.typing as npt

from faceml.landmarks.detector import Points
from faceml.tables import MESH_POINTS, LandmarkSet


def select_points(mesh: Points, landmark_set: LandmarkSet) -> Points:
    """Choose the points of a set: each is the mean of its mesh vertices.

    Args:
        mesh: float32 of shape (478, 2 or 3), x and y normalised.
        landmark_set: The L points wanted.

    Returns:
        float32 of shape (L, 2).
    """
    return _mean_of_vertices(landmark_set.mesh_indices) @ mesh[:, :2]


@cache
def _mean_of_vertices(mesh_indices: tuple[tuple[int, ...], ...]) -> npt.NDArray[np.float32]:
    """Return the matrix of shape (L, 478) that averages vertices: one product is faster than L means."""
    weights = np.zeros((len(mesh_indices), MESH_POINTS), dtype=np.float32)
    for point, vertices in enumerate(mesh_indices):
        weights[point, list(vertices)] = 1 / len(vertices)
    return weights
