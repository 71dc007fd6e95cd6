"""Bytes to pixels: the one way in which extraction and training decode an image, and why it may fail."""

import io
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

RgbImage = npt.NDArray[np.uint8]
"""uint8 of shape (H, W, 3), colour order RGB."""

DecodeFailure = Literal["empty_file", "undecodable", "too_large"]


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
    size = _size_in_header(data)
    if size is None or is_truncated(data):
        return "undecodable"
    if size[0] * size[1] > limits.max_pixels:
        return "too_large"
    image = None
    with suppress(cv2.error):
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
    return "undecodable" if image is None else np.asarray(image, dtype=np.uint8)


def is_truncated(data: bytes) -> bool:
    """Say whether a JPEG lacks the end marker of its last scan, or a PNG its IEND chunk.

    Inside a JPEG scan the byte FF is always followed by 00 or a restart marker, so that neither marker can
    occur by chance (ITU T.81, B.1.1.5); an embedded thumbnail ends before the main scan starts.
    """
    if data.startswith(b"\xff\xd8"):
        return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-64:]
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


def _size_in_header(data: bytes) -> tuple[int, int] | None:
    size = None
    broken = (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError)
    with suppress(*broken), Image.open(io.BytesIO(data)) as image:
        size = image.size
    return size
