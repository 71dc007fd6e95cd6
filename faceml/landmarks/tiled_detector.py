"""Detection of small faces in large photos by tiles.

A face detector scales every input to a small square (BlazeFace short-range: 128×128 px), in which a face of
a tenth of the image is a dozen pixels wide. In a tile of the image it is larger (Akyon et al. 2022, "Slicing
Aided Hyper Inference").
"""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from faceml.images import Box, RgbImage
from faceml.landmarks.detector import FaceObservation, LandmarkDetector, place

SMALLEST_TILE_PX = 256
"""Input side of the landmark network; smaller tiles would only be upsampled."""
BORDER = 0.01
"""Distance from a tile's edge, as a fraction of its side, within which a face may be cut off."""
SAME_FACE_IOU = 0.3
"""Intersection over union above which two boxes are of one face."""


class TiledDetector:
    """Detect faces in an image, then in overlapping squares of half its size, and so on.

    Args:
        detector: Detects the faces of each tile.
        levels: 1 uses only the whole image; each further level finds faces half as large.
        max_faces: Most faces returned, the largest first; 0 returns all.

    Attributes:
        detector: The detector of the tiles.
        max_faces: Most faces returned; 0 is all.
    """

    def __init__(self, detector: LandmarkDetector, levels: int, max_faces: int) -> None:
        self.detector = detector
        self._levels = levels
        self.max_faces = max_faces

    def __enter__(self) -> Self:
        self.detector.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detector.__exit__(kind, error, trace)

    def detect(self, image: RgbImage) -> list[FaceObservation]:
        """Find faces in uint8 RGB of shape (H, W, 3), the largest first, each once."""
        height, width = image.shape[:2]
        _, *parts = tiles(width, height, self._levels)
        found = distinct(self.detector.detect(image))
        for tile in parts:
            faces = self.detector.detect(tile.crop(image))
            whole = [face for face in faces if not is_cut(face, tile, width, height)]
            found = distinct([*found, *(place(face, tile, width, height) for face in whole)])
        return sorted(found, key=lambda face: face.box.area, reverse=True)[: self.max_faces or None]


def tiles(width: int, height: int, levels: int) -> Iterator[Box]:
    """Yield the whole image in px, then the squares of each level, which overlap by half at least."""
    yield Box(0, 0, width, height)
    for level in range(1, levels):
        side = -(-max(width, height) // 2**level)
        if side < SMALLEST_TILE_PX:
            return
        for top in _starts(height, side):
            for left in _starts(width, side):
                yield Box(left, top, left + min(side, width), top + min(side, height))


def _starts(length: int, side: int) -> list[int]:
    """Return the starts of evenly spread squares along one side of an image."""
    if length <= side:
        return [0]
    steps = -(-(length - side) // (side // 2))
    return [round(step * (length - side) / steps) for step in range(steps + 1)]


def is_cut(face: FaceObservation, tile: Box, width: int, height: int) -> bool:
    """Return whether a face reaches an edge of its tile that is not an edge of the image."""
    return (
        (face.box.left < BORDER and tile.left > 0)
        or (face.box.top < BORDER and tile.top > 0)
        or (face.box.right > 1 - BORDER and tile.right < width)
        or (face.box.bottom > 1 - BORDER and tile.bottom < height)
    )


def distinct(faces: Iterable[FaceObservation]) -> list[FaceObservation]:
    """Return each face once, by its first observation."""
    found: list[FaceObservation] = []
    for face in faces:
        if not any(is_same(face, other) for other in found):
            found.append(face)
    return found


def is_same(face: FaceObservation, other: FaceObservation) -> bool:
    """Return whether two observations are of one face, or the first is of a part of the other."""
    return face.box.iou(other.box) > SAME_FACE_IOU or other.box.contains(*face.box.center)
