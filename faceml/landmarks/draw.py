"""Drawing landmarks on faces, for people to judge."""

import cv2
import numpy as np

from faceml.images import RgbImage
from faceml.landmarks.detector import Points

POINT_RGB = (64, 255, 96)
OUTLINE_RGB = (16, 16, 16)


def draw_landmarks(image: RgbImage, points: Points) -> RgbImage:
    """Return a copy of an image with its landmarks drawn.

    Args:
        image: uint8 of shape (H, W, 3).
        points: float32 of shape (L, 2), normalised.
    """
    canvas = np.ascontiguousarray(image).copy()
    height, width = canvas.shape[:2]
    radius = max(1, round(min(height, width) / 70))
    for x, y in points:
        centre = (round(float(x) * width - 0.5), round(float(y) * height - 0.5))
        cv2.circle(canvas, centre, radius + 1, OUTLINE_RGB, -1, cv2.LINE_AA)
        cv2.circle(canvas, centre, radius, POINT_RGB, -1, cv2.LINE_AA)
    return canvas
