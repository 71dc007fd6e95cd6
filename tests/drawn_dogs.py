"""Drawn heads of dogs, which MediaPipe's detector takes for faces."""

import cv2
import numpy as np

from faceml.images.decoding import RgbImage

SIDE_PX = 256
BLACK = (20, 20, 20)


def draw_dog(seed: int) -> RgbImage:
    """Draw the head of a dog from the front, with wide eyes above a broad snout."""
    rng = np.random.default_rng(seed)
    image = np.full((SIDE_PX, SIDE_PX, 3), (160, 170, 150), dtype=np.uint8)
    fur = rng.uniform((110, 90, 90), (200, 160, 160))
    width, height = rng.uniform((0.24, 0.26), (0.33, 0.36)) * SIDE_PX
    eyes, eye_level, snout, nose = rng.uniform((0.64, 0.2, 0.65, 0.04), (0.74, 0.4, 0.78, 0.16))

    def oval(x: float, y: float, a: float, b: float, color: object, angle: float = 0) -> None:
        """Fill an ellipse; coordinates are in halves of the head from its middle, half axes a and b too."""
        center = round(SIDE_PX / 2 + x * width), round(SIDE_PX / 2 + y * height)
        axes = round(a * width), round(b * width)
        shade = [float(part) for part in np.minimum(np.asarray(color), 255)]
        cv2.ellipse(image, center, axes, angle, 0, 360, shade, -1, cv2.LINE_AA)

    for side in (-1, 1):
        oval(side * 0.95, -0.35, 0.3, 0.7, fur * 0.6, side * -20)
    oval(0, 0, 1, height / width, fur)
    for side in (-1, 1):
        oval(side * eyes, -eye_level, 0.14, 0.14, BLACK)
    oval(0, 0.42, snout, 0.48, fur * 1.3)
    oval(0, nose, 0.26, 0.17, BLACK)
    oval(0, nose + 0.2, 0.02, 0.2, BLACK)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), dtype=np.uint8)
