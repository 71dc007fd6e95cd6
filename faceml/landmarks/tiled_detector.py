"""Small faces in large photos: looked for in the whole image, then in parts of it.

A face detector scales whatever it is shown to a small square (BlazeFace short-range: 128×128 px), in which a
face of a tenth of the image is a dozen pixels wide. In a part of the image it is larger (Akyon et al. 2022,
"Slicing Aided Hyper Inference").
"""

from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from faceml.images import RgbImage
from faceml.landmarks.detector import FaceObservation, LandmarkDetector

SMALLEST_TILE_PX = 256
"""The landmark network sees 256×256 px of a face; smaller tiles would only magnify."""
BORDER = 0.01
"""A face that comes so near to the edge of a tile, as a fraction of its side, may be cut by it."""
SAME_FACE = 0.3
"""Intersection over union of two boxes of one face."""


class Tile(NamedTuple):
    """A part of an image, in px."""

    left: int
    top: int
    width: int
    height: int


class TiledDetector:
    """Look at an image as a whole, then at overlapping squares half as large, and so on.

    The head pose of a face that was found in a square is that of a camera which looks at the square's centre.

    Args:
        detector: Looks at each.
        levels: 1 looks at the whole image alone; each one more finds faces half as large.
        max_faces: Most faces returned, the largest.
    """

    def __init__(self, detector: LandmarkDetector, levels: int, max_faces: int) -> None:
        self._detector = detector
        self._levels = levels
        self._max_faces = max_faces

    def __enter__(self) -> Self:
        self._detector.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._detector.__exit__(kind, error, trace)

    def detect(self, image: RgbImage) -> list[FaceObservation]:
        """Find faces in uint8 RGB of shape (H, W, 3), the largest first, each once."""
        height, width = image.shape[:2]
        found: list[FaceObservation] = []
        for tile in tiles(width, height, self._levels):
            part = image[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
            for face in self._detector.detect(part):
                placed = place(face, tile, width, height)
                is_known = any(is_same(placed, other) for other in found)
                if not (is_known or is_cut(face, tile, width, height)):
                    found.append(placed)
        return sorted(found, key=lambda face: face.area, reverse=True)[: self._max_faces]


def tiles(width: int, height: int, levels: int) -> Iterator[Tile]:
    """Yield the whole image, then the squares of each level, which overlap by half at least."""
    yield Tile(0, 0, width, height)
    for level in range(1, levels):
        side = -(-max(width, height) // 2**level)
        if side < SMALLEST_TILE_PX:
            return
        for top in _starts(height, side):
            for left in _starts(width, side):
                yield Tile(left, top, min(side, width), min(side, height))


def _starts(length: int, side: int) -> list[int]:
    """Return where squares begin along one side of an image, spread evenly."""
    if length <= side:
        return [0]
    steps = -(-(length - side) // (side // 2))
    return [round(step * (length - side) / steps) for step in range(steps + 1)]


def is_cut(face: FaceObservation, tile: Tile, width: int, height: int) -> bool:
    """Say whether a face reaches the edge of its tile where the image goes on."""
    left, top, right, bottom = box_of(face)
    return bool(
        (left < BORDER and tile.left > 0)
        or (top < BORDER and tile.top > 0)
        or (right > 1 - BORDER and tile.left + tile.width < width)
        or (bottom > 1 - BORDER and tile.top + tile.height < height)
    )


def place(face: FaceObservation, tile: Tile, width: int, height: int) -> FaceObservation:
    """Turn coordinates within a tile into those within its image."""
    scale = np.array([tile.width / width, tile.height / height, tile.width / width], dtype=np.float32)
    origin = np.array([tile.left / width, tile.top / height, 0.0], dtype=np.float32)
    return replace(face, mesh=face.mesh * scale + origin)


def is_same(face: FaceObservation, other: FaceObservation) -> bool:
    """Say whether two observations are of one face, or the first is of a part of the other."""
    a, b = box_of(face), box_of(other)
    middle = (a[:2] + a[2:]) / 2
    overlap = np.prod(np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])))
    union = face.area + other.area - overlap
    return bool(overlap > SAME_FACE * union or ((middle > b[:2]) & (middle < b[2:])).all())


def box_of(face: FaceObservation) -> npt.NDArray[np.float32]:
    """Return left, top, right, bottom of a face's mesh, as fractions of the image."""
    points = face.mesh[:, :2]
    return np.concatenate([points.min(axis=0), points.max(axis=0)])
