"""Content of images given as paths, encoded bytes, pixels or images of Pillow."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from faceml.images import DecodeLimits, RgbImage, as_rgb
from faceml.storage import StorageFolder, split_place
from faceml.tables import Status

Pixels = npt.NDArray[np.uint8]

Image = str | Path | bytes | Pixels | PillowImage.Image
"""Path or URI of a file; encoded bytes; uint8 of shape (H, W, 3) in RGB, (H, W, 4) in RGBA or (H, W) in gray;
or an image of Pillow."""

ACCEPTED = (
    "Give a path, encoded bytes, an image of Pillow, or uint8 from 0 to 255 of shape (H, W, 3) in RGB, "
    "(H, W, 4) in RGBA or (H, W) in gray."
)
CHANNELS = (1, 3, 4)


def as_images(images: Image | Iterable[Image]) -> Iterable[Image]:
    """Return images as they are, and a single one as a sequence of one."""
    is_single = images is None or isinstance(images, str | Path | bytes | PillowImage.Image)
    if is_single or (isinstance(images, np.ndarray) and images.ndim < 4):
        return [images]  # type: ignore[list-item] # an array of fewer dimensions is one image
    return images  # type: ignore[return-value]


def image_content(image: Image, number: int) -> bytes | RgbImage | Status:
    """Return the bytes of an image, its pixels, or the status of one that cannot be read.

    Args:
        image: The image.
        number: Its position among all images, for errors.

    Raises:
        ValueError: It is no image; names what is.
    """
    if isinstance(image, str | Path):
        return read_file(image)
    if isinstance(image, bytes):
        return image
    if isinstance(image, PillowImage.Image):
        return _pillow_pixels(image, number)
    if isinstance(image, np.ndarray):
        return _array_pixels(image, number)
    if image is None:
        raise ValueError(
            f"images[{number}] is None, as cv2.imread returns for a file that it cannot read. Give the path: "
            "faceml reads it, and has a status for such a file."
        )
    raise ValueError(f"images[{number}] is a {type(image).__name__}. {ACCEPTED}")


def read_file(place: str | Path) -> bytes | Status:
    """Read a file at a path or URI, or return the status of one that is missing, unreadable or too large.

    Raises:
        OSError: The store cannot be reached, after all attempts.
    """
    folder, name = split_place(place)
    with suppress(FileNotFoundError, NotADirectoryError):  # the folder of the file
        return StorageFolder(folder).read(name, DecodeLimits.max_bytes, follow_links=True)
    return "unreadable"


def _pillow_pixels(image: PillowImage.Image, number: int) -> RgbImage | Status:
    with suppress(OSError, SyntaxError):  # Pillow decodes a file when its pixels are first used
        return _array_pixels(as_rgb(image.copy()), number)
    return "undecodable"


def _array_pixels(array: npt.NDArray[Any], number: int) -> RgbImage:
    """Return uint8 RGB of shape (H, W, 3) of an array.

    Raises:
        ValueError: It has another type or shape, or no pixels.
    """
    shape = array.shape
    found = f"images[{number}] is an array of {array.dtype} of shape {shape}"
    if array.ndim == 3 and shape[-1] not in CHANNELS and shape[0] in CHANNELS:
        raise ValueError(f"{found}, with the channels first. Use array.transpose(1, 2, 0).")
    is_image = array.ndim == 2 or (array.ndim == 3 and shape[-1] in CHANNELS)
    if array.dtype != np.uint8 or not is_image or not array.size:
        raise ValueError(f"{found}. {ACCEPTED}")
    if array.ndim == 3 and shape[-1] == 3:
        return np.ascontiguousarray(array)
    return as_rgb(PillowImage.fromarray(array[..., 0] if shape[2:] == (1,) else array))
