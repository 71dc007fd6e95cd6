"""What is done to every image before a network sees it, in training and ever after.

Shape letters: B images of a batch, S side of the square, px.
"""

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from faceml.errors import StoppedError
from faceml.images import DecodeFailure, RgbImage, decode_reduced

# Channel statistics of ImageNet, which torchvision's pretrained weights expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """Scale the whole image to a square, its aspect given up, then normalise RGB.

    Normalised landmarks stay what they are under that scaling. A checkpoint carries the fingerprint, because
    a network fed otherwise is wrong without a sign.

    Attributes:
        image_size: S.
        mean: Of each channel, for values from 0 to 1.
        std: Likewise.
    """

    image_size: int
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def decode(self, data: bytes) -> RgbImage | DecodeFailure:
        """Decode a file's bytes, a large JPEG at no more than it takes to have S px on both sides.

        Returns:
            uint8 of shape (H, W, 3), or why there is no image.
        """
        decoded = decode_reduced(data, short_side_px=self.image_size)
        return decoded if isinstance(decoded, str) else decoded.pixels

    def square(self, data: bytes | None, image_id: str, table: str) -> Tensor:
        """Decode and scale a file's bytes to a uint8 tensor of shape (3, S, S).

        Raises:
            StoppedError: The file is no longer what was extracted.
        """
        return self.resize(self.pixels(data, image_id, table))

    def pixels(self, data: bytes | None, image_id: str, table: str) -> RgbImage:
        """Decode a file's bytes as `decode` does, to uint8 of shape (H, W, 3).

        Args:
            data: The bytes; None if the file is gone.
            image_id: Names the image, for the error.
            table: That has it, its place.

        Raises:
            StoppedError: The file is no longer what was extracted.
        """
        image = "no longer there" if data is None else self.decode(data)
        if isinstance(image, str):
            raise StoppedError(
                f"{image_id}: {image}, though the landmark table {table} says otherwise. Put the image back, "
                "or extract again with output.on_change=re-extract."
            )
        return image

    def resize(self, image: RgbImage) -> Tensor:
        """Scale uint8 of shape (H, W, 3) to a uint8 tensor of shape (3, S, S), antialiased."""
        pixels = torch.from_numpy(image).permute(2, 0, 1)
        size = (self.image_size, self.image_size)
        return interpolate(pixels[None], size, mode="bilinear", antialias=True)[0]

    def normalize(self, images: Tensor) -> Tensor:
        """Turn (B, 3, S, S), uint8 or float32 from 0 to 1, into mean 0, deviation 1 over ImageNet."""
        scaled = images if images.is_floating_point() else images.to(torch.float32).mul_(1 / 255)
        mean, std = (_per_channel(values, images.device) for values in (self.mean, self.std))
        return (scaled - mean) / std

    def fingerprint(self) -> dict[str, Any]:
        """Return all of the above as plain values, for a checkpoint."""
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        rules = {"color_order": "rgb", "jpeg_decode": "dct_scaled", "resize": "stretch"}
        return {**rules, "interpolation": "bilinear_antialias", **values}


@cache
def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return float32 of shape (3, 1, 1); kept, because to bring it to a GPU waits for all that it does."""
    return torch.tensor(values, device=device)[:, None, None]
