"""Landmark sets: names, FaceMesh vertex indices and horizontal flip of 5, 10 or any vertices as points.

Shape letters: L landmarks of a set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from faceml.config import MESH_POINTS, ConfigError


@dataclass(frozen=True)
class LandmarkSet:
    """A set of facial landmarks. "Left" is the viewer's left, as in ArcFace's five-point template.

    Attributes:
        names: Names of the L points.
        mesh_indices: FaceMesh vertices of each point, which is their mean.
        flip_permutation: Point i of a mirrored image is point `flip_permutation[i]` of the original.
        left_eye: Points whose mean is the center of the left eye; none if the set does not have them.
        right_eye: Points whose mean is the center of the right eye, likewise.
    """

    names: tuple[str, ...]
    mesh_indices: tuple[tuple[int, ...], ...]
    flip_permutation: tuple[int, ...]
    left_eye: tuple[int, ...]
    right_eye: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)


LANDMARK_SETS: dict[int, LandmarkSet] = {
    5: LandmarkSet(
        names=("left_eye", "right_eye", "nose_tip", "mouth_left", "mouth_right"),
        mesh_indices=((33, 133), (362, 263), (4,), (61,), (291,)),
        flip_permutation=(1, 0, 2, 4, 3),
        left_eye=(0,),
        right_eye=(1,),
    ),
    10: LandmarkSet(
        names=(
            "left_eye_left",
            "left_eye_right",
            "right_eye_left",
            "right_eye_right",
            "nose_tip",
            "nose_bottom",
            "mouth_left",
            "mouth_right",
            "mouth_top",
            "mouth_bottom",
        ),
        mesh_indices=((33,), (133,), (362,), (263,), (4,), (2,), (61,), (291,), (0,), (17,)),
        flip_permutation=(3, 2, 1, 0, 4, 5, 7, 6, 8, 9),
        left_eye=(0, 1),
        right_eye=(2, 3),
    ),
}


def _mesh_mirror() -> tuple[int, ...]:
    """Return the vertex that a horizontal flip exchanges with each vertex of FaceMesh.

    Of the 468 vertices of the face, 28 lie on its middle line. The others are numbered in the same order on
    both sides: those of the viewer's left below 248, those of the right from 248. An iris is its centre and
    four points of its edge.
    """
    middle = (0, 1, 2, *range(4, 7), *range(8, 20), 94, 151, 152, 164, 168, 175, 195, 197, 199, 200)
    left = (*(vertex for vertex in range(248) if vertex not in middle), 468, 469, 470, 471, 472)
    right = (*range(248, 468), 473, 476, 475, 474, 477)
    mirror = dict(zip((*middle, *left, *right), (*middle, *right, *left), strict=True))
    return tuple(mirror[vertex] for vertex in range(MESH_POINTS))


MESH_MIRROR = _mesh_mirror()
"""Vertex i of a mirrored face is vertex `MESH_MIRROR[i]` of the original."""
MESH_COLUMNS = {f"mesh_{vertex}": vertex for vertex in range(MESH_POINTS)}
"""Vertices by their names, which are those of columns of a landmark table too."""
LEFT_EYE, RIGHT_EYE = (33, 133), (362, 263)
"""Vertices at the corners of the eyes."""


def mesh_landmark_set(points: Sequence[int], setting: str = "points") -> LandmarkSet:
    """Return a set of vertices of FaceMesh, named `mesh_33` and so on.

    Args:
        points: Indices of the L vertices.
        setting: Name of the setting with the points, for the error.

    Raises:
        ConfigError: A horizontal flip exchanges one of the points with a vertex that is not among them.
    """
    unpaired = [point for point in points if MESH_MIRROR[point] not in points]
    if unpaired:
        raise ConfigError(
            f"{setting}: a horizontal flip exchanges {_listed(unpaired)} with "
            f"{_listed([MESH_MIRROR[point] for point in unpaired])}. Add them."
        )
    place = {point: position for position, point in enumerate(points)}
    has_eyes = place.keys() >= {*LEFT_EYE, *RIGHT_EYE}
    return LandmarkSet(
        names=tuple(f"mesh_{point}" for point in points),
        mesh_indices=tuple((point,) for point in points),
        flip_permutation=tuple(place[MESH_MIRROR[point]] for point in points),
        left_eye=tuple(place[corner] for corner in LEFT_EYE if has_eyes),
        right_eye=tuple(place[corner] for corner in RIGHT_EYE if has_eyes),
    )


def with_eyes(landmark_set: LandmarkSet) -> LandmarkSet:
    """Return a landmark set with the corners of the eyes after its own points, unless it has the eyes.

    Args:
        landmark_set: One of `LANDMARK_SETS`, or a set of vertices.
    """
    if landmark_set.left_eye:
        return landmark_set
    points = [vertex for (vertex,) in landmark_set.mesh_indices]
    return mesh_landmark_set([*points, *(v for v in (*LEFT_EYE, *RIGHT_EYE) if v not in points)])


def convert_landmarks(points: npt.NDArray[Any], given: LandmarkSet) -> dict[int, npt.NDArray[Any]]:
    """Return the landmarks of those of faceml's sets that can be made of others.

    Args:
        points: Of shape (..., L, 2).
        given: The L landmarks.

    Returns:
        Landmarks by their number.
    """
    place = {vertices: position for position, vertices in enumerate(given.mesh_indices)}
    converted = {}
    for number, wanted in LANDMARK_SETS.items():
        parts = [
            [vertices] if vertices in place else [(vertex,) for vertex in vertices]
            for vertices in wanted.mesh_indices
        ]
        if all(part in place for group in parts for part in group):
            groups = [[place[part] for part in group] for group in parts]
            converted[number] = np.stack([points[..., group, :].mean(axis=-2) for group in groups], axis=-2)
    return converted


def _listed(vertices: Sequence[int]) -> str:
    return ", ".join(map(str, vertices))
