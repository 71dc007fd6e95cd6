"""Head pose from the mesh of a face, as MediaPipe's geometry pipeline computes it.

The camera is MediaPipe's: a pinhole with a vertical field of view of 63°. MediaPipe points it at the middle
of the image, so that a face that moves to one side seems to turn. Here it points at the face: angles are
relative to the ray from the camera to the face, and do not depend on the place of the face in the image.
"""

import math
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from faceml.landmarks.detector import HeadPose, Points, head_pose

Array = npt.NDArray[np.float64]

METADATA_FILE = "geometry_pipeline_metadata_landmarks.binarypb"
FIELD_OF_VIEW_DEG = 63.0
"""Vertical field of view of the camera."""
COORDINATES = 5
"""Numbers of a vertex of the canonical mesh: x, y, z in cm and two texture coordinates."""
# Fields of the protocol buffer messages GeometryPipelineMetadata, Mesh3d and ProcrustesLandmarkBasis.
CANONICAL_MESH, BASIS = 1, 2
VERTEX_BUFFER = 3
LANDMARK_ID, WEIGHT = 1, 2
VARINT, BYTES, FLOAT = 0, 2, 5
"""Types of fields on the wire."""


@dataclass(frozen=True)
class FaceGeometry:
    """The canonical face, and the vertices that determine the pose of a head.

    Attributes:
        indices: int64 of shape (N,): mesh vertices that determine the pose.
        canonical: float64 of shape (N, 3): their places in the canonical face, in cm.
        weights: float64 of shape (N,): their weights.
    """

    indices: npt.NDArray[np.int64]
    canonical: Array
    weights: Array

    @classmethod
    def read(cls, bundle: Path) -> Self:
        """Read the geometry of a `face_landmarker.task`."""
        vertices, metadata = read_canonical_face(bundle), _read_metadata(bundle)
        basis = [dict(_fields(value)) for field, value in metadata if field == BASIS]
        indices = np.array([point.get(LANDMARK_ID, 0) for point in basis], dtype=np.int64)
        return cls(indices, vertices[indices], np.array([point[WEIGHT] for point in basis]))

    def estimate_pose(self, mesh: Points, width: int, height: int, *, center: bool = True) -> HeadPose:
        """Estimate the head pose.

        Args:
            mesh: float32 of shape (478, 3): x, y divided by the image's width, height; z in the scale of x.
            width: Width of the image in px.
            height: Its height.
            center: Point the camera at the face instead of the middle of the image.
        """
        return head_pose(self.transformation(mesh, width, height, center=center))

    def transformation(self, mesh: Points, width: int, height: int, *, center: bool = True) -> Array:
        """Return the rotation from the canonical face to the camera's space, float64 of shape (4, 4).

        The steps are those of MediaPipe's `geometry_pipeline.cc`.
        """
        near_height = 2 * math.tan(math.radians(FIELD_OF_VIEW_DEG / 2))  # at distance 1
        near_width = near_height * width / height
        depth_scale = np.array([near_width, -near_height, near_width])
        points = mesh.astype(np.float64)
        middle = points[:, :2].mean(axis=0) if center else np.array([0.5, 0.5])
        on_near_plane = (points - [*middle, points[:, 2].mean()])[self.indices] * depth_scale
        towards_viewer = np.array([1.0, 1.0, -1.0])
        scale = self._align(on_near_plane * towards_viewer)[1]
        scale *= self._align(_unproject(on_near_plane, scale) * towards_viewer)[1]
        rotation, _ = self._align(_unproject(on_near_plane, scale) * towards_viewer)
        matrix = np.eye(4)
        matrix[:3, :3] = rotation
        return matrix

    @cached_property
    def _source(self) -> Array:
        """Weighted vertices around their weighted mean, of shape (N, 3)."""
        middle = self.weights @ self.canonical / self.weights.sum()
        source: Array = (self.canonical - middle) * self._roots
        return source

    @cached_property
    def _roots(self) -> Array:
        roots: Array = np.sqrt(self.weights)[:, None]
        return roots

    @cached_property
    def _spread(self) -> float:
        return float((self._source * self.canonical * self._roots).sum())

    def _align(self, points: Array) -> tuple[Array, float]:
        """Return rotation and scale of the weighted Procrustes problem from the canonical face to points."""
        moments = (points * self._roots).T @ self._source
        left, _, right = np.linalg.svd(moments)
        rotation = left @ right
        if np.linalg.det(rotation) < 0:
            left[:, 2] *= -1
            rotation = left @ right
        return rotation, float((rotation * moments).sum()) / self._spread


def read_canonical_face(bundle: Path) -> Array:
    """Read the vertices of the canonical face of a `face_landmarker.task`, in cm, of shape (468, 3)."""
    mesh = next(value for field, value in _read_metadata(bundle) if field == CANONICAL_MESH)
    numbers = [value for field, value in _fields(mesh) if field == VERTEX_BUFFER]
    return np.array(numbers).reshape(-1, COORDINATES)[:, :3]


def _read_metadata(bundle: Path) -> list[tuple[int, Any]]:
    with zipfile.ZipFile(bundle) as files:
        return list(_fields(files.read(METADATA_FILE)))


def _unproject(points: Array, scale: float) -> Array:
    """Move points on the near plane, at distance 1, to their distance from the camera."""
    distance = (points[:, 2:] + 1) / scale
    return np.hstack([points[:, :2] * distance, distance])


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value of the fields of a protocol buffer message: integers, bytes and floats."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        field, kind = key >> 3, key & 7
        if kind == FLOAT:
            value: Any = struct.unpack_from("<f", message, position)[0]
            position += 4
        else:
            value, position = _varint(message, position)
            if kind == BYTES:
                value, position = message[position : position + value], position + value
        yield field, value


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        shift, position = shift + 7, position + 1
        if byte < 0x80:
            return value, position
