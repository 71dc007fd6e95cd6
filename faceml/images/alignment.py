"""Face alignment by a similarity transform to ArcFace's template."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from faceml.images.decoding import RgbImage

Points = npt.NDArray[np.float64]

TEMPLATE_SIDE_PX = 112
ARCFACE_TEMPLATE: Points = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""The five landmarks in 112×112 px, the centre of the first pixel at 0 (InsightFace's ArcFace)."""


def align_face(image: RgbImage, landmarks: Points, side_px: int = TEMPLATE_SIDE_PX) -> RgbImage:
    """Rotate, scale and shift a face into a square; pixels beyond the image are black.

    Args:
        image: uint8 of shape (H, W, 3).
        landmarks: Of shape (5, 2), fractions of the image's size, in the order of the 5-point set.
        side_px: Side S of the square.

    Returns:
        uint8 of shape (S, S, 3).
    """
    height, width = image.shape[:2]
    transform = similarity(landmarks * [width, height] - 0.5, template(side_px))
    # Bilinear sampling reads four pixels: an image that shrinks by more than half is halved first.
    halvings = max(0, math.floor(math.log2(1.0 / max(scale_of(transform), 1e-6))))
    if halvings:
        size = (math.ceil(width / 2**halvings), math.ceil(height / 2**halvings))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        transform = similarity(landmarks * size - 0.5, template(side_px))
    aligned = cv2.warpAffine(image, transform, (side_px, side_px), flags=cv2.INTER_LINEAR)
    return np.asarray(aligned, dtype=np.uint8)


def template(side_px: int) -> Points:
    """Return the positions of the five landmarks in a square, px of shape (5, 2)."""
    return (ARCFACE_TEMPLATE + 0.5) * (side_px / TEMPLATE_SIDE_PX) - 0.5


def similarity(points: Points, targets: Points) -> Points:
    """Return the least-squares similarity transform from points to targets.

    Umeyama 1991, "Least-squares estimation of transformation parameters between two point patterns", eq. 40
    to 42; in two dimensions, with rotations as complex numbers, the solution is one division.

    Args:
        points: Of shape (n, 2), not all the same.
        targets: Of shape (n, 2).

    Returns:
        Matrix of shape (2, 3) for points in homogeneous coordinates.
    """
    center, target_center = points.mean(axis=0), targets.mean(axis=0)
    (x, y), (u, v) = (points - center).T, (targets - target_center).T
    squares = x @ x + y @ y
    cos, sin = (x @ u + y @ v) / squares, (x @ v - y @ u) / squares
    turned = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([turned, target_center - turned @ center])


def scale_of(transform: Points) -> float:
    """Return the scale factor of a similarity transform of shape (2, 3)."""
    return math.hypot(transform[0, 0], transform[1, 0])
