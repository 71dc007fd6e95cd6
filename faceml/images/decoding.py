"""Decoding, encoding and hashing of images.

JPEGs are decoded by OpenCV, which reduces large ones by scaled DCT. All other formats are decoded by Pillow,
which knows transparency and reports damage.
"""

import io
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from faceml.images.jpeg import JPEG_START, frame_size, is_damaged, reaches_end_marker
from faceml.images.limits import DecodeLimits
from faceml.stderr_filter import StderrFilter

RgbImage = npt.NDArray[np.uint8]
MAX_GRAY = 255
"""uint8 of shape (H, W, 3), colour order RGB."""

DecodeFailure = Literal["empty_file", "undecodable", "too_large"]

FORMATS = ("PNG", "BMP", "DIB", "WEBP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM")
"""Formats beside JPEG, by their names in Pillow. It knows others that start programs, such as EPS."""
PNG_START, PNG_END = b"\x89PNG", b"IEND\xae\x42\x60\x82"
BACKGROUND = "white"
"""Colour behind transparent pixels, as on a page."""
# The names say grayscale, but combined with IMREAD_COLOR_RGB the flags give reduced sizes in colour.
REDUCING_FLAGS = {
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
}
# Lines that libjpeg, libtiff and OpenCV write to stderr about an image, without its name.
DECODER_LINES = (
    "Corrupt JPEG data",
    "Premature end of JPEG file",
    "Invalid SOS parameters",
    "Unknown Adobe color transform",
    "Inconsistent progression sequence",
    "JPEGLib: ",
    "tempfile.tif",
    "imdecode_(",
    " global grfmt_",
)


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

    Grayscale, CMYK and 16-bit images are converted to 8-bit RGB, transparent ones are drawn on white; of an
    animation the first picture is decoded. A truncated or damaged image is undecodable, although decoders
    fill in the missing part: half a face would give wrong landmarks.

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
    trusted: bool = False,
) -> DecodedImage | DecodeFailure:
    """Decode like `decode_image`, but large JPEGs at 1/2, 1/4 or 1/8 of their size, by scaled DCT.

    Args:
        data: The file's bytes.
        limits: Checked before any pixel is decoded; by default those of `DecodeLimits`, and none if
            `trusted`.
        long_side_px: Least length of the longer side after reduction.
        short_side_px: Least length of the shorter side. Without either the image keeps its size.
        trusted: Leave out the check for damage within a JPEG, for images that passed it and their limits
            before: only one thread of a process can check at a time.

    Returns:
        The image, or the reason for the failure.
    """
    limits = limits or (DecodeLimits(sys.maxsize, sys.maxsize) if trusted else DecodeLimits())
    if not data:
        return "empty_file"
    if len(data) > limits.max_bytes:
        return "too_large"
    if trusted:
        return _decode(data, limits, long_side_px or 0, short_side_px or 0)
    with _hold_messages() as messages:
        decoded = _decode(data, limits, long_side_px or 0, short_side_px or 0)
    return "undecodable" if is_damaged(data, messages.dropped) else decoded


# Errors of Pillow's many decoders for broken files.
_UNREADABLE = (
    OSError, ValueError, SyntaxError, RuntimeError, LookupError, EOFError, ArithmeticError, TypeError,
    AttributeError, MemoryError, struct.error,
)  # fmt: skip


def as_rgb(image: Image.Image) -> RgbImage:
    """Convert an image of Pillow to uint8 RGB of shape (H, W, 3), upright and on white; may modify it."""
    with suppress(*_UNREADABLE):  # a broken EXIF block gives no orientation
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith(("I", "F")):  # gray values that Pillow would clip
        return np.repeat(_gray_of_8_bits(np.asarray(image), image.mode)[..., None], 3, axis=2)
    if image.has_transparency_data:
        page = Image.new("RGBA", image.size, BACKGROUND)
        page.alpha_composite(image.convert("RGBA"))
        image = page
    return np.array(image.convert("RGB"))


def _gray_of_8_bits(values: npt.NDArray[Any], mode: str) -> npt.NDArray[np.uint8]:
    """Scale gray values to 0 … 255: those of 16 bits, or of 32 bits in the range 0 … 255, 65,535 or 1."""
    largest = values.max(initial=0)
    if mode == "F":
        values = values * 255.0 if largest <= 1.0 else values
    elif mode != "I" or largest > MAX_GRAY:
        values = values >> 8
    scaled: npt.NDArray[np.uint8] = np.nan_to_num(values).clip(0, MAX_GRAY).astype(np.uint8)
    return scaled


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


@contextmanager
def _hold_messages() -> Iterator[StderrFilter]:
    """Hold back what decoders write to stderr about an image, and the warnings of Pillow."""
    with StderrFilter(DECODER_LINES) as messages, warnings.catch_warnings(action="ignore"):
        yield messages


def _decode(
    data: bytes, limits: DecodeLimits, long_side_px: int, short_side_px: int
) -> DecodedImage | DecodeFailure:
    if data.startswith(JPEG_START):
        return _decode_jpeg(data, limits, long_side_px, short_side_px)
    decoded: DecodedImage | DecodeFailure = "too_large"
    with suppress(Image.DecompressionBombError):  # Pillow refuses it without giving its size
        decoded = _decode_other(data, limits)
    return decoded


def _decode_jpeg(
    data: bytes, limits: DecodeLimits, long_side_px: int, short_side_px: int
) -> DecodedImage | DecodeFailure:
    size = frame_size(data)
    if size is None or not reaches_end_marker(data):
        return "undecodable"
    long_side, short_side = max(size), min(size)
    if long_side * short_side > limits.max_pixels:
        return "too_large"
    factor = 1
    if long_side_px or short_side_px:
        sides = ((long_side, long_side_px), (short_side, short_side_px))
        factor = next(
            (
                f
                for f in REDUCING_FLAGS
                if all(px // f >= least for px, least in sides) and _is_clear(size, f)
            ),
            1,
        )
    image = None
    with suppress(cv2.error):
        flags = REDUCING_FLAGS.get(factor, 0) | cv2.IMREAD_COLOR_RGB
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    if image is None:
        return "undecodable"
    # The size in the header is that before the rotation.
    upright = (long_side, short_side) if image.shape[1] >= image.shape[0] else (short_side, long_side)
    return DecodedImage(np.asarray(image, dtype=np.uint8), *upright)


def _is_clear(size: tuple[int, int], factor: int) -> bool:
    """Return whether the reduced image shows which side is longer, and so whether it was rotated."""
    return size[0] == size[1] or -(-size[0] // factor) != -(-size[1] // factor)


def _decode_other(data: bytes, limits: DecodeLimits) -> DecodedImage | DecodeFailure:
    with suppress(*_UNREADABLE), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > limits.max_pixels:
            return "too_large"
        if data.startswith(PNG_START) and PNG_END not in data:
            return "undecodable"
        image.load()
        pixels = as_rgb(image)
        return DecodedImage(pixels, pixels.shape[1], pixels.shape[0])
    return "undecodable"
