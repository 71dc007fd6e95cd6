"""Landmark sets of 5 and 10 points: names, FaceMesh vertex indices and horizontal flip.

Shape letters: L landmarks of a set.
"""

from dataclasses import dataclass

MESH_POINTS = 478
"""Vertices of MediaPipe's FaceMesh, the irises among them."""


@dataclass(frozen=True)
class LandmarkSet:
    """A set of facial landmarks. "Left" is the viewer's left, as in ArcFace's five-point template.

    Attributes:
        names: Names of the L points.
        mesh_indices: FaceMesh vertices of each point, which is their mean.
        flip_permutation: Point i of a mirrored image is point `flip_permutation[i]` of the original.
        left_eye: Points whose mean is the center of the left eye.
        right_eye: Points whose mean is the center of the right eye.
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
