"""Drawing of landmarks on images."""

from collections.abc import Sequence

import cv2
import numpy as np

from faceml.images import Box, RgbImage
from faceml.landmarks.detector import Points
from faceml.tables import LANDMARK_SETS

# Three colours, so that swapped left and right points can be seen: sky blue and orange of the colour-blind
# safe palette of Okabe & Ito, and white.
LEFT_RGB = (86, 180, 233)
RIGHT_RGB = (255, 170, 0)
MIDDLE_RGB = (255, 255, 255)
OUTLINE_RGB = (16, 16, 16)

SUBPIXEL_BITS = 4  # cv2.circle takes centres in sixteenths of a pixel


def draw_landmarks(
    image: RgbImage,
    points: Points,
    one_rgb: tuple[int, int, int] | None = None,
    radius_px: float | None = None,
) -> RgbImage:
    """Return a copy of an image with its landmarks drawn, the viewer's left blue, the right orange.

    Args:
        image: uint8 of shape (H, W, 3).
        points: float32 of shape (L, 2), normalised; L is the size of a landmark set.
        one_rgb: Colour of all points instead.
        radius_px: Radius of a point, by default a fiftieth of the image; at least half a pixel.
    """
    canvas = np.ascontiguousarray(image).copy()
    height, width = canvas.shape[:2]
    least_px, outline_px = (0.5, 0.5) if radius_px else (2.0, 1.0)
    radius_px = max(least_px, radius_px or max(height, width) / 50)
    colors = point_colors(LANDMARK_SETS[len(points)].flip_permutation)
    for (x, y), rgb in zip(points, [one_rgb] * len(points) if one_rgb else colors, strict=True):
        # The centre of pixel 0 is at 0.5 in normalised coordinates, at 0 in OpenCV's.
        centre = (_sixteenths(float(x) * width - 0.5), _sixteenths(float(y) * height - 0.5))
        for radius, fill in ((radius_px + outline_px, OUTLINE_RGB), (radius_px, rgb)):
            cv2.circle(canvas, centre, _sixteenths(radius), fill, -1, cv2.LINE_AA, SUBPIXEL_BITS)
    return canvas


def draw_box(image: RgbImage, box: Box) -> RgbImage:
    """Return a copy of an image with the outline of a box, one pixel wide.

    Args:
        image: uint8 of shape (H, W, 3).
        box: Fractions of the image's width and height.
    """
    canvas = np.ascontiguousarray(image).copy()
    corners = box.to_px(canvas.shape[1], canvas.shape[0]).rounded()
    left, top, right, bottom = map(int, corners.corners)
    cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), LEFT_RGB, 1)
    return canvas


def point_colors(flip_permutation: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return the colour of each point; of a pair that a flip swaps, the first is the left one.

    Args:
        flip_permutation: See `faceml.tables.landmark_sets.LandmarkSet`.
    """
    return [
        MIDDLE_RGB if other == point else LEFT_RGB if point < other else RIGHT_RGB
        for point, other in enumerate(flip_permutation)
    ]


def _sixteenths(value_px: float) -> int:
    return round(value_px * (1 << SUBPIXEL_BITS))
