"""Axis-aligned rectangles in images, and the arithmetic of crops."""

from dataclasses import dataclass
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt

from faceml.images.decoding import RgbImage

Points = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Box:
    """An axis-aligned rectangle, in px or in fractions of an image; it may reach beyond the image.

    Attributes:
        left: Smallest x.
        top: Smallest y.
        right: Largest x.
        bottom: Largest y.
    """

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def around(cls, points: Points) -> Self:
        """Return the smallest box that contains all points, of shape (n, 2)."""
        return cls(*points.min(axis=0).tolist(), *points.max(axis=0).tolist())

    @property
    def width(self) -> float:
        """Extent in x."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Extent in y."""
        return self.bottom - self.top

    @property
    def long_side(self) -> float:
        """The larger of width and height."""
        return max(self.width, self.height)

    @property
    def area(self) -> float:
        """Width times height."""
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        """The point in the middle, x and y."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom."""
        return self.left, self.top, self.right, self.bottom

    def contains(self, x: float, y: float) -> bool:
        """Return whether a point lies inside."""
        return self.left < x < self.right and self.top < y < self.bottom

    def iou(self, other: Self) -> float:
        """Return the intersection over union with another box."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        intersection = max(0.0, width) * max(0.0, height)
        union = self.area + other.area - intersection
        return intersection / union if union else 0.0

    def square(self, margin: float) -> "Box":
        """Return a square of whole px around the same center.

        Args:
            margin: Added on each side of the longer side, as a fraction of it.
        """
        side = max(1, round(self.long_side * (1 + 2 * margin)))
        left, top = (round(middle - side / 2) for middle in self.center)
        return Box(left, top, left + side, top + side)

    def normalize(self, image_width: int, image_height: int) -> "Box":
        """Convert a box in px to fractions of its image."""
        return Box(
            self.left / image_width,
            self.top / image_height,
            self.right / image_width,
            self.bottom / image_height,
        )

    def to_px(self, image_width: int, image_height: int) -> "Box":
        """Convert a box in fractions of its image to px."""
        return Box(
            self.left * image_width,
            self.top * image_height,
            self.right * image_width,
            self.bottom * image_height,
        )

    def rounded(self) -> "Box":
        """Return a box in px with its edges at the nearest whole px, and at least one px wide and high."""
        left, top, right, bottom = map(round, self.corners)
        return Box(left, top, max(right, left + 1), max(bottom, top + 1))

    def place(self, points: Points, image_width: int, image_height: int) -> npt.NDArray[np.float64]:
        """Convert fractions of a box in px to fractions of its image.

        Args:
            points: Of shape (..., 2).
            image_width: Width of the image in px.
            image_height: Height of the image in px.

        Returns:
            Of the same shape.
        """
        in_image_px = points * np.array([self.width, self.height]) + (self.left, self.top)
        placed: npt.NDArray[np.float64] = in_image_px / (image_width, image_height)
        return placed

    def crop(self, image: RgbImage, fill: int | None = None) -> RgbImage:
        """Cut a box of whole px out of an image.

        Args:
            image: uint8 of shape (H, W, 3).
            fill: Value of the pixels beyond the image; None repeats its edge.
        """
        height, width = image.shape[:2]
        left, top, right, bottom = map(int, self.corners)
        inside = image[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
        borders = max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width)
        kind = cv2.BORDER_REPLICATE if fill is None else cv2.BORDER_CONSTANT
        color = (fill or 0,) * 3
        return np.asarray(cv2.copyMakeBorder(inside, *borders, kind, value=color), dtype=np.uint8)


def crop_landmarks(points: npt.NDArray[np.floating], boxes: npt.NDArray[np.floating]) -> npt.NDArray[Any]:
    """Convert landmarks from fractions of the image to fractions of a crop.

    Args:
        points: Of shape (..., 2), fractions of the image's width and height.
        boxes: Of shape (..., 4) or (4,), left, top, right and bottom of the crop as such fractions; it may
            reach beyond the image.

    Returns:
        Of shape (..., 2), fractions of the crop's width and height.
    """
    return np.asarray((points - boxes[..., :2]) / (boxes[..., 2:] - boxes[..., :2]))
