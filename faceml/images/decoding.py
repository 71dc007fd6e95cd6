"""Bytes to pixels: the one way in which extraction and training decode an image, and why it may fail."""

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

# All but stuffed bytes and restarts; a marker may be preceded by any number of FF (ITU T.81, B.1.1.2).
JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
JPEG_END = b"\xd9"
JPEG_START = b"\xff\xd8"
START_OF_SCAN = b"\xda"
# Of a frame, whatever its coding; DHT, JPG and DAC have numbers among them (ITU T.81, table B.1).
STARTS_OF_FRAME = frozenset(bytes([0xC0 + number]) for number in range(16) if number not in (4, 8, 12))
PNG_END = b"IEND\xae\x42\x60\x82"
# OpenCV's names say grayscale; together with IMREAD_COLOR_RGB they are the reduced sizes in colour.
REDUCING_FLAGS = {
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
}


@dataclass(frozen=True)
class DecodeLimits:
    """What one file may cost: bytes on disk, and pixels as its header promises them."""

    max_bytes: int = 64 * 2**20
    max_pixels: int = 64 * 10**6


@dataclass(frozen=True)
class DecodedImage:
    """An upright image, possibly smaller than the file's.

    Attributes:
        pixels: uint8 of shape (H, W, 3).
        width: Of the whole image in px, as its file has it, upright.
        height: The same.
    """

    pixels: RgbImage
    width: int
    height: int


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
    decoded = decode_reduced(data, limits)
    return decoded if isinstance(decoded, str) else decoded.pixels


def decode_reduced(
    data: bytes,
    limits: DecodeLimits | None = None,
    *,
    long_side_px: int | None = None,
    short_side_px: int | None = None,
) -> DecodedImage | DecodeFailure:
    """Decode like `decode_image`, a large JPEG at 1/2, 1/4 or 1/8 of its size, by scaling its DCT blocks.

    Args:
        data: The file's bytes.
        limits: Checked before any pixel is decoded.
        long_side_px: The longer side keeps at least so many pixels, if it has them.
        short_side_px: So does the shorter one. With neither given, the image keeps all its pixels.

    Returns:
        The image, or why there is none.
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
    # The header's size is from before the image was turned upright.
    upright = (long_side, short_side) if image.shape[1] >= image.shape[0] else (short_side, long_side)
    return DecodedImage(np.asarray(image, dtype=np.uint8), *upright)


def is_truncated(data: bytes) -> bool:
    """Say whether a JPEG lacks its end marker, or a PNG its IEND chunk; what follows does not matter."""
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


def crop(image: RgbImage, left: int, top: int, width: int, height: int) -> RgbImage:
    """Cut a box of px out of an image of shape (H, W, 3); beyond the image its edge pixels are repeated."""
    before = (max(0, -top), max(0, -left))
    after = (max(0, top + height - image.shape[0]), max(0, left + width - image.shape[1]))
    inside = image[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)]
    padded = cv2.copyMakeBorder(inside, before[0], after[0], before[1], after[1], cv2.BORDER_REPLICATE)
    return np.asarray(padded, dtype=np.uint8)


def difference_hash(image: RgbImage) -> int:
    """Hash an image to 64 bits that stay nearly the same under scaling and compression (dhash).

    Each bit says whether a pixel of the 9×8 grayscale thumbnail is darker than its right neighbour, row by
    row, most significant bit first. Each of its pixels is the mean of 16×16 samples of a larger image: to
    average all pixels takes thrice as long, and a copy at other sizes and qualities is no nearer.
    """
    if image.shape[0] > SAMPLES[1] and image.shape[1] > SAMPLES[0]:
        image = np.asarray(cv2.resize(image, SAMPLES, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    thumbnail = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    bits = (thumbnail[:, :-1] < thumbnail[:, 1:]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


SAMPLES = (16 * 9, 16 * 8)
"""Columns and rows of what a difference hash sees of a large image."""


def _reaches_end_marker(jpeg: bytes) -> bool:
    """Say whether an end marker follows the first scan's start.

    In coded data FF is always followed by 00 or by the number of a restart (ITU T.81, B.1.1.5), so that an
    end marker that comes later is the image's, or of what follows it.
    """
    scan = next((end for marker, end in _segments(jpeg) if marker == START_OF_SCAN), None)
    return scan is not None and jpeg.find(b"\xff" + JPEG_END, scan) >= 0


def _jpeg_size(jpeg: bytes) -> tuple[int, int] | None:
    """Return width and height of the frame, None if none starts before the first scan."""
    for marker, end in _segments(jpeg):
        if marker in STARTS_OF_FRAME and len(jpeg) >= end + 7:  # length, precision, height, width (B.2.2)
            return int.from_bytes(jpeg[end + 5 : end + 7], "big"), int.from_bytes(
                jpeg[end + 3 : end + 5], "big"
            )
    return None


def _segments(jpeg: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield marker numbers up to the first scan, and where in the bytes each marker ends.

    The way goes from marker to marker, over segments by their length: a thumbnail in one has markers of its
    own.
    """
    position = 2
    while marker := JPEG_MARKER.search(jpeg, position):
        yield marker[1], marker.end()
        if marker[1] == START_OF_SCAN:
            return
        position = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2], "big")


def _size_in_header(data: bytes) -> tuple[int, int] | None:
    """Return width and height that a header of another format promises, None if it is no image's."""
    with suppress(Image.DecompressionBombError):
        size = None
        broken = (OSError, ValueError, SyntaxError, RuntimeError, LookupError, EOFError)
        with suppress(*broken), Image.open(io.BytesIO(data)) as image:
            size = image.size
        return size
    return (sys.maxsize, 1)  # Pillow refuses to open it, and does not say how large it is
