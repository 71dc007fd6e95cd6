"""Where in its image a face lies, so that a network sees faces as it saw them in training.

Shape letters: N images, L landmarks.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.floating[Any]]


class Box(NamedTuple):
    """A rectangle in px; it may reach beyond its image."""

    left: int
    top: int
    width: int
    height: int

    def place(self, points: Points, image_width: int, image_height: int) -> npt.NDArray[np.float64]:
        """Turn fractions of the box into fractions of its image.

        Args:
            points: Of shape (..., 2).
            image_width: Of the image, px.
            image_height: The same.

        Returns:
            Of the same shape.
        """
        placed: npt.NDArray[np.float64] = (points * self[2:] + self[:2]) / (image_width, image_height)
        return placed


@dataclass(frozen=True)
class Framing:
    """The place of faces in the images that a network was trained on.

    Attributes:
        landmarks: Mean of shape (L, 2) over the images, fractions of their width and height.
        aspect: Median of width divided by height.
    """

    landmarks: tuple[tuple[float, float], ...]
    aspect: float = 1.0

    @classmethod
    def of(cls, landmarks: Points, sizes: Points) -> Self:
        """Measure it.

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
        """Return what `as_plain` was made of."""
        return cls(tuple((x, y) for x, y in plain["landmarks"]), plain["aspect"])

    def as_plain(self) -> dict[str, Any]:
        """Return it as plain values, for a checkpoint."""
        return {"landmarks": [list(point) for point in self.landmarks], "aspect": self.aspect}

    def box(self, points_px: Points) -> Box:
        """Return the part of an image in which a face lies as in the training's images.

        The box has their aspect. In it the landmarks have the same centre as in training, and the same root
        mean square distance from it, which a tilted head does not change.

        Args:
            points_px: The face's landmarks in the image, of shape (L, 2).
        """
        wanted, square = np.array(self.landmarks), np.array([self.aspect, 1.0])
        height = _spread(points_px / square) / _spread(wanted)
        size = np.maximum(1, np.rint(height * square))
        left, top = np.rint(points_px.mean(axis=0) - wanted.mean(axis=0) * size)
        return Box(int(left), int(top), int(size[0]), int(size[1]))


def _spread(points: Points) -> float:
    return float(np.sqrt(np.square(points - points.mean(axis=0)).sum(axis=1).mean()))
