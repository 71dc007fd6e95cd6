"""Antialiased painting on an RGB image: filled shapes, textures, fine lines, clipping.

Shape letters: N points of a shape, S side of the canvas in pixels.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from faceml.images import RgbImage
from faceml.synthetic.geometry import Points
from faceml.synthetic.person import Color

_SUBPIXEL_BITS = 6
_Box = tuple[slice, slice]


class Canvas:
    """A square RGB image to paint on, with coordinates from 0 to 1.

    Args:
        image: uint8 of shape (S, S, 3), painted in place.
        balance: Factors of red, green and blue for all colours: tint and strength of the light.
    """

    def __init__(self, image: RgbImage, balance: Color) -> None:
        self.image = image
        self._balance = balance
        self._size = image.shape[0]

    def fill(self, shape: Points, color: Color, alpha: float = 1.0) -> None:
        """Fill a polygon of shape (N, 2) with a colour of opacity `alpha`."""
        color = self._balanced(color)
        if alpha >= 1.0:
            cv2.fillPoly(self.image, [self._vertices(shape)], color, cv2.LINE_AA, _SUBPIXEL_BITS)
            return
        box = self._box(shape)
        area = self.image[box]
        if area.size:
            painted = area.copy()
            cv2.fillPoly(painted, [self._vertices(shape, box)], color, cv2.LINE_AA, _SUBPIXEL_BITS)
            cv2.addWeighted(painted, alpha, area, 1.0 - alpha, 0.0, dst=area)

    def paint(self, shape: Points, texture: RgbImage) -> None:
        """Fill a polygon of shape (N, 2) with the same region of a texture of shape (S, S, 3)."""
        box = self._box(shape)
        if self.image[box].size:
            self._blend(box, shape, texture[box], self.image[box])

    def lines(self, lines: Sequence[Points] | Points, color: Color, width: float) -> None:
        """Draw lines, each of shape (N, 2), with a width relative to the image's side, at least one pixel."""
        thickness = max(1, round(width * self._size))
        vertices = (
            [*self._vertices(lines)] if isinstance(lines, np.ndarray) else [*map(self._vertices, lines)]
        )
        cv2.polylines(
            self.image, vertices, False, self._balanced(color), thickness, cv2.LINE_AA, _SUBPIXEL_BITS
        )

    @contextmanager
    def clipped(self, shape: Points) -> Iterator[None]:
        """Clip painting in the `with` block to a polygon of shape (N, 2)."""
        before = self.image.copy()
        yield
        box = self._box(shape)
        if before[box].size:
            self._blend(box, shape, self.image[box], before[box])
        self.image[:] = before

    def _blend(self, box: _Box, shape: Points, source: RgbImage, target: npt.NDArray[np.uint8]) -> None:
        """Replace the inside of the polygon in `target`, the canvas's region `box`, by `source`."""
        mask = np.zeros(target.shape[:2], dtype=np.uint8)
        cv2.fillPoly(mask, [self._vertices(shape, box)], (255,), cv2.LINE_AA, _SUBPIXEL_BITS)
        weight = mask * np.float32(1.0 / 255.0)
        target[:] = cv2.blendLinear(source, target, weight, 1.0 - weight)

    def _balanced(self, color: Color) -> Color:
        red, green, blue = self._balance
        return color[0] * red, color[1] * green, color[2] * blue

    def _vertices(self, shape: Points, box: _Box | None = None) -> npt.NDArray[np.int32]:
        """Convert to OpenCV's fixed-point pixels, whose integers are pixel centres."""
        corner = (0.5, 0.5) if box is None else (0.5 + box[1].start, 0.5 + box[0].start)
        return np.asarray(np.rint((shape * self._size - corner) * 2**_SUBPIXEL_BITS), dtype=np.int32)

    def _box(self, shape: Points) -> _Box:
        """Return the bounding box of a polygon with a margin for antialiasing, clipped to the canvas."""
        size = self._size
        left, top = (shape.min(axis=0) * size).tolist()
        right, bottom = (shape.max(axis=0) * size).tolist()
        rows = slice(min(max(int(top) - 2, 0), size), min(max(int(bottom) + 3, 0), size))
        return rows, slice(min(max(int(left) - 2, 0), size), min(max(int(right) + 3, 0), size))


def enlarge(texture: RgbImage, size_px: int) -> RgbImage:
    """Resize a texture of shape (G, G, 3) to (size_px, size_px, 3)."""
    return np.asarray(cv2.resize(texture, (size_px, size_px), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def place_texture(texture: RgbImage, to_image: npt.NDArray[np.float64], size_px: int) -> RgbImage:
    """Warp a small texture onto a canvas with bilinear interpolation.

    Args:
        texture: uint8 of shape (G, G, 3).
        to_image: float64 of shape (2, 3), affine map from texture pixels to image coordinates from 0 to 1.
        size_px: Side S of the canvas in px.

    Returns:
        uint8 of shape (S, S, 3); the texture's edge is replicated outside.
    """
    # Shading is smooth: half the canvas's resolution suffices, at a third of the cost.
    half_px = math.ceil(size_px / 2)
    matrix = to_image * half_px
    # Convert between pixel centres at integers and at half pixels.
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    placed = cv2.warpAffine(
        texture, matrix, (half_px, half_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return enlarge(np.asarray(placed, dtype=np.uint8), size_px)


def develop(image: RgbImage, size_px: int, blur: float, noise: float, noise_seed: int) -> RgbImage:
    """Turn a canvas into a photograph: scale it down, blur it, add noise.

    Args:
        image: uint8 of shape (S, S, 3), S a multiple of `size_px`.
        size_px: Side of the result in px.
        blur: Standard deviation of the blur, relative to the image's side.
        noise: Standard deviation of the noise, in grey levels of 255.
        noise_seed: Seed of the noise.
    """
    photograph = image
    if size_px < image.shape[0]:
        photograph = np.asarray(cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_AREA), np.uint8)
    if blur * size_px > 0.3:
        photograph = np.asarray(cv2.GaussianBlur(photograph, (0, 0), blur * size_px), np.uint8)
    top, left = np.random.default_rng(noise_seed).integers(_GRAIN_SHIFT_PX, size=2)
    grain = _grain(size_px + _GRAIN_SHIFT_PX)[top : top + size_px, left : left + size_px]
    strength = noise / _GRAIN_DEVIATION
    return np.asarray(cv2.addWeighted(photograph, 1.0, grain, strength, -128.0 * strength), dtype=np.uint8)


# Drawing a random number for each pixel takes as long as painting the face: images use random crops of one
# noise image instead.
_GRAIN_SHIFT_PX = 64
_GRAIN_DEVIATION = 32.0


@lru_cache(maxsize=2)
def _grain(size_px: int) -> RgbImage:
    """Return grey Gaussian noise around 128, uint8 of shape (size_px, size_px, 3)."""
    gray = 128.0 + _GRAIN_DEVIATION * np.random.default_rng(0).standard_normal((size_px, size_px, 1))
    return np.repeat(np.clip(gray, 0, 255).astype(np.uint8), 3, axis=2)


def use_one_thread() -> None:
    """Limit OpenCV to one thread, for processes that draw in parallel."""
    cv2.setNumThreads(1)
