"""Bytes to pixels: the one way in which extraction and training decode an image, and why it may fail."""

import io
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

RgbImage = npt.NDArray[np.uint8]
"""uint8 of shape (H, W, 3), colour order RGB."""

DecodeFailure = Literal["empty_file", "undecodable", "too_large"]

# All but stuffed bytes and restarts; a marker may be preceded by any number of FF (ITU T.81, B.1.1.2).
JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
JPEG_END = b"\xd9"
PNG_END = b"IEND\xae\x42\x60\x82"


@dataclass(frozen=True)
class DecodeLimits:
    """What one file may cost: bytes on disk, and pixels as its header promises them."""

    max_bytes: int = 64 * 2**20
    max_pixels: int = 64 * 10**6


def decode_image(data: bytes, limits: DecodeLimits | None = None) -> RgbImage | DecodeFailure:
    """Decode an encoded image to 8-bit RGB, turned upright as its EXIF orientation says.

    Grayscale, CMYK and 16-bit images come out as 8-bit RGB. A truncated JPEG or PNG counts as undecodable,
    although decoders fill what is missing with gray: half a face would become half a landmark set.

    Args:
        data: The file's bytes.
        limits: Checked before any pixel is decoded.

    Returns:
        uint8 of shape (H, W, 3), or why there is no image.
    """
    limits = limits or DecodeLimits()
    if not data:
        return "empty_file"
    if len(data) > limits.max_bytes:
        return "too_large"
    pixels = _pixels_in_header(data)
    if pixels is None or is_truncated(data):
        return "undecodable"
    if pixels > limits.max_pixels:
        return "too_large"
    image = None
    with suppress(cv2.error):
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
    return "undecodable" if image is None else np.asarray(image, dtype=np.uint8)


def is_truncated(data: bytes) -> bool:
    """Say whether a JPEG lacks its end marker, or a PNG its IEND chunk; what follows does not matter."""
    if data.startswith(b"\xff\xd8"):
        return not _reaches_end_marker(data)
    if data.startswith(b"\x89PNG"):
        return PNG_END not in data
    return False


def encode_jpeg(image: RgbImage, quality: int) -> bytes:
    """Encode uint8 RGB of shape (H, W, 3) as JPEG with `quality` from 1 to 100."""
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()


def shrink(image: RgbImage, max_side_px: int) -> RgbImage:
    """Scale an image of shape (H, W, 3) down, aspect kept, so that no side exceeds `max_side_px`."""
    height, width = image.shape[:2]
    scale = max_side_px / max(height, width)
    if scale >= 1.0:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def difference_hash(image: RgbImage) -> int:
    """Hash an image to 64 bits that stay nearly the same under scaling and compression (dhash).

    Each bit says whether a pixel of the 9×8 grayscale thumbnail is darker than its right neighbour, row by
    row, most significant bit first.
    """
    thumbnail = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    bits = (thumbnail[:, :-1] < thumbnail[:, 1:]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _reaches_end_marker(jpeg: bytes) -> bool:
    """Walk from marker to marker, over segments by their length: a thumbnail in one has markers of its own.

    After a start of scan the search passes over the coded data, where FF is always followed by 00 or by the
    number of a restart (ITU T.81, B.1.1.5).
    """
    position = 2
    while marker := JPEG_MARKER.search(jpeg, position):
        if marker[1] == JPEG_END:
            return True
        position = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2], "big")
    return False


def _pixels_in_header(data: bytes) -> int | None:
    """Return the number of pixels that a header promises, None if it is no image's."""
    with suppress(Image.DecompressionBombError):
        pixels = None
        broken = (OSError, ValueError, SyntaxError, RuntimeError, LookupError, EOFError)
        with suppress(*broken), Image.open(io.BytesIO(data)) as image:
            pixels = image.width * image.height
        return pixels
    return sys.maxsize  # Pillow refuses to open it, and does not say how many
