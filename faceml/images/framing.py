"""Location of faces in the images of a training, reproduced when faces are cut out for prediction.

Shape letters: N images, L landmarks.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from faceml.images.box import Box, Points


@dataclass(frozen=True)
class Framing:
    """Location and size of faces in the images that a network was trained on.

    Attributes:
        landmarks: Mean of shape (L, 2) over the images, fractions of their width and height.
        aspect: Median of width divided by height.
    """

    landmarks: tuple[tuple[float, float], ...]
    aspect: float = 1.0

    @classmethod
    def of(cls, landmarks: Points, sizes: Points) -> Self:
        """Measure the framing of images.

        Args:
            landmarks: Of shape (N, L, 2), fractions of the images' width and height; N is not 0.
            sizes: Of shape (N, 2), width and height; NaN where they are not known.
        """
        aspects = sizes[:, 0] / sizes[:, 1]
        known = aspects[np.isfinite(aspects)]
        mean = landmarks.mean(axis=0, dtype=np.float64)
        return cls(
            tuple((float(x), float(y)) for x, y in mean), float(np.median(known)) if len(known) else 1.0
        )

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """Build a framing from the plain values of `as_plain`."""
        return cls(tuple((x, y) for x, y in plain["landmarks"]), plain["aspect"])

    def as_plain(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return {"landmarks": [list(point) for point in self.landmarks], "aspect": self.aspect}

    def box(self, points_px: Points) -> Box:
        """Return the part of an image that frames a face as in training, in whole px.

        The box has the aspect of the training images. In it the landmarks have the same center as in
        training, and the same root mean square distance from it, which does not depend on the head's roll.

        Args:
            points_px: The face's landmarks in the image, of shape (L, 2).
        """
        reference, square = np.array(self.landmarks), np.array([self.aspect, 1.0])
        height = _rms_spread(points_px / square) / _rms_spread(reference)
        size = np.maximum(1, np.rint(height * square))
        start = np.rint(points_px.mean(axis=0) - reference.mean(axis=0) * size)
        return Box(*map(int, (*start, *(start + size))))


def _rms_spread(points: Points) -> float:
    return float(np.sqrt(np.square(points - points.mean(axis=0)).sum(axis=1).mean()))
