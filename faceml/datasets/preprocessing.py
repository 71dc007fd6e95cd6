"""Preprocessing of images, identical in training and use of a network.

Shape letters: B images of a batch, S side of the square, px.
"""

import math
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from faceml.errors import StoppedError
from faceml.images import Box, DecodeFailure, RgbImage, decode_reduced

# Channel statistics of ImageNet, which torchvision's pretrained weights expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """Scale the whole image to a square without keeping its aspect ratio, then normalise RGB.

    Normalised landmarks do not change under this scaling. Checkpoints contain the fingerprint, because with
    other preprocessing a network gives wrong results without any error.

    Attributes:
        image_size: S.
        mean: Mean of each channel, for values from 0 to 1.
        std: Standard deviation of each channel, for values from 0 to 1.
    """

    image_size: int
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def decode(self, data: bytes, shown: float = 1.0) -> RgbImage | DecodeFailure:
        """Decode an encoded image, a large JPEG at the smallest scale with at least S px on both sides.

        Args:
            data: The encoded image.
            shown: Share of its shorter side that has these S px.

        Returns:
            uint8 of shape (H, W, 3), or the reason for failure.
        """
        decoded = decode_reduced(data, short_side_px=math.ceil(self.image_size / shown), trusted=True)
        return decoded if isinstance(decoded, str) else decoded.pixels

    def square(self, data: bytes | None, image_id: str, table: str, crop: Box | None = None) -> Tensor:
        """Decode and scale an encoded image, or a part of it, to a uint8 tensor of shape (3, S, S).

        Raises:
            StoppedError: The image has changed since extraction.
        """
        return self.resize(self.pixels(data, image_id, table, crop))

    def pixels(self, data: bytes | None, image_id: str, table: str, crop: Box | None = None) -> RgbImage:
        """Decode an encoded image to uint8 of shape (H, W, 3).

        Args:
            data: The encoded image; None if its file is missing or cannot be read.
            image_id: Name of the image, for the error.
            table: Path or URI of its landmark table, for the error.
            crop: Part of the image to return, a square in px, in fractions of width and height; by default
                all of it.

        Raises:
            StoppedError: The image has changed since extraction.
        """
        # The shorter side of the image is the one of which the square is the larger fraction.
        shown = max(crop.width, crop.height) if crop else 1.0
        image = "missing or unreadable" if data is None else self.decode(data, shown)
        if isinstance(image, str):
            raise StoppedError(
                f"{image_id}: {image}, but the landmark table {table} was extracted from a readable image. "
                "Restore the image, or extract again with output.on_change=re-extract."
            )
        return crop.to_px(*image.shape[1::-1]).rounded().crop(image) if crop else image

    def resize(self, image: RgbImage) -> Tensor:
        """Scale uint8 of shape (H, W, 3) to a uint8 tensor of shape (3, S, S), with antialiasing."""
        pixels = torch.from_numpy(image).permute(2, 0, 1)
        size = (self.image_size, self.image_size)
        return interpolate(pixels[None], size, mode="bilinear", antialias=True)[0]

    def normalize(self, images: Tensor) -> Tensor:
        """Subtract the mean and divide by the standard deviation of each channel.

        Args:
            images: uint8, or float32 from 0 to 1, of shape (B, 3, S, S).
        """
        scaled = images if images.is_floating_point() else images.to(torch.float32).mul_(1 / 255)
        mean, std = (_per_channel(values, images.device) for values in (self.mean, self.std))
        return (scaled - mean) / std

    def fingerprint(self) -> dict[str, Any]:
        """Return the preprocessing as plain values, for a checkpoint."""
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        rules = {"color_order": "rgb", "jpeg_decode": "dct_scaled", "resize": "stretch"}
        return {**rules, "interpolation": "bilinear_antialias", **values}


@cache
def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return float32 of shape (3, 1, 1), cached because a copy to a GPU waits for all of its queued work."""
    return torch.tensor(values, device=device)[:, None, None]
