"""Landmark detectors: their interface, and the faces that they find."""

import math
from dataclasses import dataclass, replace
from functools import cache, cached_property
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from faceml.config import MESH_POINTS
from faceml.images import Box, RgbImage
from faceml.tables import LandmarkSet

Points = npt.NDArray[np.float32]
"""float32 coordinates normalised by the image's width and height, origin at its top left corner."""


WHOLE = "whole"


@dataclass(frozen=True)
class HeadPose:
    """Rotation of the head in degrees as seen by the viewer; all zero looks straight into the camera.

    Attributes:
        yaw_deg: Positive turns the face to the viewer's right.
        pitch_deg: Positive looks up.
        roll_deg: Positive tilts the head clockwise.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True)
class FaceObservation:
    """One detected face.

    Attributes:
        mesh: float32 of shape (478, 3): x, y normalised by width, height; z in the scale of x.
        pose: Rotation of the head.
        look: Part of the image in which the face was found; `whole` is the whole image.
    """

    mesh: Points
    pose: HeadPose
    look: str = WHOLE

    @cached_property
    def box(self) -> Box:
        """Bounding box of the mesh, in fractions of the image."""
        return Box.around(self.mesh[:, :2])


class LandmarkDetector(Protocol):
    """A detector of faces and their landmarks; a context, because it holds native memory."""

    def __enter__(self) -> Self:
        """Load the model."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the native memory."""
        ...

    def detect(self, image: RgbImage) -> list[FaceObservation]:
        """Find faces in uint8 RGB of shape (H, W, 3), the largest first."""
        ...


def place(face: FaceObservation, frame: Box, width: int, height: int) -> FaceObservation:
    """Convert a face's mesh from fractions of a part of the image to fractions of the image.

    Args:
        face: The face.
        frame: The part in px, which may reach beyond the image.
        width: Width of the image in px.
        height: Its height.
    """
    scale = np.array([frame.width / width, frame.height / height, frame.width / width], dtype=np.float32)
    origin = np.array([frame.left / width, frame.top / height, 0.0], dtype=np.float32)
    return replace(face, mesh=face.mesh * scale + origin)


def head_pose(matrix: npt.NDArray[np.floating]) -> HeadPose:
    """Return the head pose of MediaPipe's facial transformation matrix.

    Args:
        matrix: float of shape (4, 4), canonical face to camera space: x to the viewer's right, y up, z
            towards the viewer. Its rotation may be scaled uniformly.

    Returns:
        Angles of R = Ry(yaw) · Rx(-pitch) · Rz(-roll).
    """
    (_, _, right, _), (across, up_across, up, _), (_, _, ahead, _), _ = matrix.tolist()
    return HeadPose(
        yaw_deg=math.degrees(math.atan2(right, ahead)),
        pitch_deg=math.degrees(math.atan2(up, math.hypot(right, ahead))),
        roll_deg=math.degrees(math.atan2(-across, up_across)),
    )


def select_points(mesh: Points, landmark_set: LandmarkSet) -> Points:
    """Compute the points of a landmark set, each as the mean of its mesh vertices.

    Args:
        mesh: float32 of shape (478, 2 or 3), x and y normalised.
        landmark_set: A set of L points.

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
