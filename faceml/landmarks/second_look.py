"""Second look at images in which the detector finds no face.

BlazeFace expects a face with its surroundings: it misses faces that fill an image or are cut by its edge, and
small faces in large photographs. A gray margin around the image mends the former, parts of it the latter.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from faceml.images import Box, RgbImage
from faceml.landmarks.detector import FaceObservation, place, select_points
from faceml.landmarks.tiled_detector import TiledDetector, distinct, is_cut, is_same, tiles
from faceml.tables import LANDMARK_SETS

MARGINS = (0.5, 0.75, 1.0, 0.25)
"""Widths of the margin, as fractions of the longer side, in the order of the faces that each adds."""
LEVELS = 3
"""Levels of the parts, the whole image among them."""
GRAY = 127
CONFIRMING_MARGIN = 0.6
"""Margin around a face in the image that confirms it, as a fraction of the longer side of its box."""
MAX_DISAGREEMENT = 0.06
"""Largest mean distance of the five points in both detections, as a fraction of the same side."""
POINTS = LANDMARK_SETS[5]


@dataclass(frozen=True)
class Look:
    """A way to look at an image.

    Attributes:
        name: Name in the column `look` of a table.
        frame: Part of the image in px, which may reach beyond it.
    """

    name: str
    frame: Box


class SecondLook:
    """Find a face where the detector sees none in the whole image.

    The image is seen with margins, then in overlapping parts; the first face that is confirmed ends the
    search, unless all faces are wanted. A face is confirmed by the mirrored image of its surroundings, in
    which the detector must find it with the same landmarks. Patterns that resemble a face rarely pass.

    Args:
        tiled: Opened detector, whose detector and largest number of faces are used.
    """

    def __init__(self, tiled: TiledDetector) -> None:
        self._detector = tiled.detector
        self._max_faces = tiled.max_faces

    def detect(self, image: RgbImage) -> list[FaceObservation]:
        """Find a face in uint8 RGB of shape (H, W, 3); the other faces of the same look come after it.

        If all faces are wanted, those of all looks are found, the largest first, each once.
        """
        height, width = image.shape[:2]
        every: list[FaceObservation] = []
        for look in looks(width, height):
            found = self._detector.detect(look.frame.crop(image, GRAY))
            faces = [
                replace(place(face, look.frame, width, height), look=look.name)
                for face in found
                if not is_cut(face, look.frame, width, height)
            ]
            unknown = [face for face in faces if not any(is_same(face, other) for other in every)]
            every = distinct([*every, *(face for face in unknown if self._is_confirmed(face, image))])
            if every and self._max_faces:
                return every[: self._max_faces]
        return sorted(every, key=lambda face: face.box.area, reverse=True)

    def _is_confirmed(self, face: FaceObservation, image: RgbImage) -> bool:
        """Return whether the detector finds the same landmarks in the mirrored surroundings of a face."""
        size = np.array(image.shape[1::-1])
        box = Box.around(face.mesh[:, :2] * size)
        frame = box.square(CONFIRMING_MARGIN)
        again = self._detector.detect(np.ascontiguousarray(frame.crop(image, GRAY)[:, ::-1]))
        if not again:
            return False
        expected = select_points(face.mesh, POINTS) * size
        mirrored = select_points(again[0].mesh, POINTS)[list(POINTS.flip_permutation)]
        points = np.array([frame.right, frame.top]) + mirrored * (-frame.width, frame.height)
        distances = np.linalg.norm(points - expected, axis=1)
        return bool(distances.mean() <= MAX_DISAGREEMENT * box.long_side)


def looks(width: int, height: int) -> Iterator[Look]:
    """Yield the looks at an image after the first one, in order.

    Args:
        width: Width of the image in px.
        height: Its height.
    """
    image = Box(0, 0, width, height)
    for margin in MARGINS:
        yield Look(f"margin_{margin:g}", image.square(margin))
    for number, part in enumerate(tiles(width, height, LEVELS)):
        if number:
            yield Look(f"part_{max(width, height) / part.long_side:.0f}", part)
