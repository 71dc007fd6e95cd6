"""Curves in face units: smooth contours through a few points, tapered strokes, ellipses.

Face units: the distance between the eye centres of an average face is 1, the origin lies between the eyes,
x runs to the viewer's right, y down, z out of the face towards the viewer.

Shape letters: N points of a curve, K control points.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
"""float64 of shape (..., N, 2) or (..., N, 3), in face units, or relative to the image's side."""

PointList = Sequence[Sequence[float] | Points] | Points
"""Points as an array or a sequence."""

# The head between hairline and chin as an ellipsoid: half axes and centre height. An adult's head is about
# 2.3 interocular distances wide at the cheekbones and, from the ears to the face, 1.15 deep.
HEAD_HALF_WIDTH, HEAD_HALF_HEIGHT, HEAD_DEPTH, HEAD_CENTER_Y = 1.22, 2.15, 1.15, 0.15


@lru_cache(maxsize=64)
def _spline_basis(num_controls: int, per_segment: int, closed: bool) -> npt.NDArray[np.float64]:
    """Return the matrix of shape (N, K) that turns control points into a uniform Catmull-Rom curve."""
    t = np.linspace(0.0, 1.0, per_segment, endpoint=False)[:, None]
    # Catmull & Rom 1974 with tension 1/2.
    weights = 0.5 * np.hstack(
        [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]
    )
    segments = num_controls if closed else num_controls - 1
    basis = np.zeros((segments * per_segment + (not closed), num_controls))
    for segment in range(segments):
        for offset in range(4):
            column = segment + offset - 1
            column = column % num_controls if closed else min(max(column, 0), num_controls - 1)
            basis[segment * per_segment : (segment + 1) * per_segment, column] += weights[:, offset]
    if not closed:
        basis[-1, -1] = 1.0
    return basis


def smooth(controls: PointList, *, closed: bool = False, per_segment: int = 6) -> Points:
    """Return a smooth curve through control points of shape (..., K, D), as an array of shape (..., N, D)."""
    points = np.asarray(controls, dtype=np.float64)
    return np.asarray(_spline_basis(points.shape[-2], per_segment, closed) @ points)


def stroke(center_line: Points, half_width: float | npt.NDArray[np.float64]) -> Points:
    """Return the outline of a brush stroke along a line of shape (N, 2), of constant or varying width."""
    direction = np.empty_like(center_line)
    direction[1:-1] = center_line[2:] - center_line[:-2]
    direction[0], direction[-1] = center_line[1] - center_line[0], center_line[-1] - center_line[-2]
    length = half_width / np.maximum(np.hypot(direction[:, 0], direction[:, 1]), 1e-9)
    offset = np.stack([-direction[:, 1] * length, direction[:, 0] * length], axis=1)
    return np.concatenate([center_line + offset, (center_line - offset)[::-1]])


@lru_cache(maxsize=64)
def taper(num_points: int, *, start: float = 0.0, end: float = 0.0) -> npt.NDArray[np.float64]:
    """Return relative widths along a stroke: 1 in its middle, `start` and `end` at its ends."""
    t = np.linspace(0.0, 1.0, num_points)
    return np.sin(np.pi * t) + (1.0 - np.sin(np.pi * t)) * (start + (end - start) * t)


@lru_cache(maxsize=8)
def _unit_circle(num_points: int) -> Points:
    angle = np.linspace(0.0, 2.0 * np.pi, num_points, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def ellipse(
    center: Sequence[float] | Points, radius_x: float, radius_y: float, num_points: int = 32
) -> Points:
    """Return an ellipse of shape (N, 2) with axes along x and y."""
    return np.asarray(_unit_circle(num_points) * (radius_x, radius_y) + np.asarray(center))


def at_depth(points: PointList, depth: float | npt.NDArray[np.float64]) -> Points:
    """Add a depth coordinate to points of shape (..., 2); returns shape (..., 3)."""
    flat = np.asarray(points, dtype=np.float64)
    placed = np.empty((*flat.shape[:-1], 3))
    placed[..., :2], placed[..., 2] = flat, depth
    return placed


def on_face(points: PointList, lift: float = 0.0, half_width: float = HEAD_HALF_WIDTH) -> Points:
    """Project points of shape (..., 2) onto the head's ellipsoid, `lift` above it; returns shape (..., 3).

    Shapes that end at the silhouette, such as hair, use an ellipsoid of the silhouette's `half_width`.
    """
    flat = np.asarray(points, dtype=np.float64)
    rest = 1.0 - (flat[..., 0] / half_width) ** 2 - ((flat[..., 1] - HEAD_CENTER_Y) / HEAD_HALF_HEIGHT) ** 2
    return at_depth(flat, HEAD_DEPTH * np.sqrt(np.maximum(rest, 0.0)) + lift)


def mirror(points: Points) -> Points:
    """Mirror points at the vertical axis of the face, keeping their orientation."""
    flipped = points[::-1].copy()
    flipped[:, 0] *= -1.0
    return flipped
