"""Decoding, encoding and hashing of images."""

import io
import re
import sys
from collections.abc import Iterator
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

# All markers but stuffed bytes and restarts; any number of FF may precede one (ITU T.81, B.1.1.2).
JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
JPEG_END = b"\xd9"
JPEG_START = b"\xff\xd8"
START_OF_SCAN = b"\xda"
# Start-of-frame markers of all codings; DHT, JPG and DAC lie in their range (ITU T.81, table B.1).
STARTS_OF_FRAME = frozenset(bytes([0xC0 + number]) for number in range(16) if number not in (4, 8, 12))
PNG_END = b"IEND\xae\x42\x60\x82"
# The names say grayscale, but combined with IMREAD_COLOR_RGB the flags give reduced sizes in colour.
REDUCING_FLAGS = {
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
}


@dataclass(frozen=True)
class DecodeLimits:
    """Largest image that is decoded: bytes of the file, and pixels as declared in its header."""

    max_bytes: int = 64 * 2**20
    max_pixels: int = 64 * 10**6


@dataclass(frozen=True)
class DecodedImage:
    """An upright image, possibly at a reduced size.

    Attributes:
        pixels: uint8 of shape (H, W, 3).
        width: Width of the upright image at full size, px.
        height: Height of the upright image at full size, px.
    """

    pixels: RgbImage
    width: int
    height: int


def decode_image(data: bytes, limits: DecodeLimits | None = None) -> RgbImage | DecodeFailure:
    """Decode an encoded image to 8-bit RGB, rotated upright according to its EXIF orientation.

    Grayscale, CMYK and 16-bit images are converted to 8-bit RGB. A truncated JPEG or PNG is undecodable,
    although decoders fill the missing part with gray: half a face would give wrong landmarks.

    Args:
        data: The file's bytes.
        limits: Checked before any pixel is decoded.

    Returns:
        uint8 of shape (H, W, 3), or the reason for the failure.
    """
    decoded = decode_reduced(data, limits)
    return decoded if isinstance(decoded, str) else decoded.pixels


def decode_reduced(
    data: bytes,
    limits: DecodeLimits | None = None,
    *,
    long_side_px: int | None = None,
    short_side_px: int | None = None,
) -> DecodedImage | DecodeFailure:
    """Decode like `decode_image`, but large JPEGs at 1/2, 1/4 or 1/8 of their size, by scaled DCT.

    Args:
        data: The file's bytes.
        limits: Checked before any pixel is decoded.
        long_side_px: Least length of the longer side after reduction.
        short_side_px: Least length of the shorter side. Without either the image keeps its size.

    Returns:
        The image, or the reason for the failure.
    """
    limits = limits or DecodeLimits()
    if not data:
        return "empty_file"
    if len(data) > limits.max_bytes:
        return "too_large"
    size = _jpeg_size(data) if data.startswith(JPEG_START) else _size_in_header(data)
    if size is None or is_truncated(data):
        return "undecodable"
    long_side, short_side = max(size), min(size)
    if long_side * short_side > limits.max_pixels:
        return "too_large"
    factor = 1
    if data.startswith(JPEG_START) and (long_side_px or short_side_px):
        sides = ((long_side, long_side_px or 0), (short_side, short_side_px or 0))
        factor = next((f for f in REDUCING_FLAGS if all(px // f >= least for px, least in sides)), 1)
    image = None
    with suppress(cv2.error):
        flags = REDUCING_FLAGS.get(factor, 0) | cv2.IMREAD_COLOR_RGB
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    if image is None:
        return "undecodable"
    # The size in the header is that before the rotation.
    upright = (long_side, short_side) if image.shape[1] >= image.shape[0] else (short_side, long_side)
    return DecodedImage(np.asarray(image, dtype=np.uint8), *upright)


def is_truncated(data: bytes) -> bool:
    """Return whether a JPEG lacks its end marker, or a PNG its IEND chunk; bytes after them are allowed."""
    if data.startswith(JPEG_START):
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
    """Compute the 64-bit difference hash (dhash), nearly invariant to scaling and compression.

    Each bit is whether a pixel of the 9×8 grayscale thumbnail is darker than its right neighbour, row by
    row, most significant bit first. Each pixel of the thumbnail is the mean of 16×16 samples of a larger
    image: averaging all pixels takes three times as long and makes the hash no more robust.
    """
    if image.shape[0] > SAMPLES[1] and image.shape[1] > SAMPLES[0]:
        image = np.asarray(cv2.resize(image, SAMPLES, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    thumbnail = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    bits = (thumbnail[:, :-1] < thumbnail[:, 1:]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


SAMPLES = (16 * 9, 16 * 8)
"""Columns and rows to which a large image is sampled for its difference hash."""


def _reaches_end_marker(jpeg: bytes) -> bool:
    """Return whether an end marker follows the start of the first scan.

    In coded data FF is always followed by 00 or by a restart marker's number (ITU T.81, B.1.1.5), so a later
    end marker is not image data.
    """
    scan = next((end for marker, end in _segments(jpeg) if marker == START_OF_SCAN), None)
    return scan is not None and jpeg.find(b"\xff" + JPEG_END, scan) >= 0


def _jpeg_size(jpeg: bytes) -> tuple[int, int] | None:
    """Return width and height of the frame, None if no frame starts before the first scan."""
    for marker, end in _segments(jpeg):
        if marker in STARTS_OF_FRAME and len(jpeg) >= end + 7:  # length, precision, height, width (B.2.2)
            return int.from_bytes(jpeg[end + 5 : end + 7], "big"), int.from_bytes(
                jpeg[end + 3 : end + 5], "big"
            )
    return None


def _segments(jpeg: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the number of each marker up to the first scan, and the offset of its end.

    Segments are skipped by their length, because a thumbnail in one has markers of its own.
    """
    position = 2
    while marker := JPEG_MARKER.search(jpeg, position):
        yield marker[1], marker.end()
        if marker[1] == START_OF_SCAN:
            return
        position = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2], "big")


def _size_in_header(data: bytes) -> tuple[int, int] | None:
    """Return width and height declared in the header of another format, None if it is not an image."""
    with suppress(Image.DecompressionBombError):
        size = None
        broken = (OSError, ValueError, SyntaxError, RuntimeError, LookupError, EOFError)
        with suppress(*broken), Image.open(io.BytesIO(data)) as image:
            size = image.size
        return size
    return (sys.maxsize, 1)  # Pillow refuses to open it without giving its size
