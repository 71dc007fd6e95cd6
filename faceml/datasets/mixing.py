"""Mixing of training images with others of their batch: MixUp and CutMix.

Shape letters: B images of a batch, S side of the image, px.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from faceml.config import MixingConfig


class Mix(NamedTuple):
    """Partner of each image of a batch, and the share that is left of the image itself.

    Attributes:
        partners: Position of the other image in the batch, int64 of shape (B,).
        shares: Share of the image itself, float32 of shape (B,); 1 for images that are not mixed.
    """

    partners: Tensor
    shares: Tensor


class ImageMixing(nn.Module):
    """Mix images at random with others of their batch.

    `mixup` averages two images with the weights λ and 1 - λ (Zhang et al. 2018, "mixup", eq. 1). `cutmix`
    replaces a square of 1 - λ of the image's area (Yun et al. 2019, "CutMix", eq. 1 and 2). λ follows
    Beta(alpha, alpha), and partners are a permutation of the batch. Unlike
    `torchvision.transforms.v2.MixUp` and `CutMix`, each image has its own λ and its own rectangle.

    Random numbers are drawn on the CPU from PyTorch's global generator, as by `FaceAugmentation`.

    Args:
        kind: `mixup` or `cutmix`.
        alpha: Parameter of the beta distribution; 1 is uniform, small values leave most images nearly whole.
        probability: Probability that an image is mixed.
    """

    def __init__(self, kind: Literal["mixup", "cutmix"], alpha: float, probability: float = 0.5) -> None:
        super().__init__()
        self.kind = kind
        self.alpha = alpha
        self.probability = probability

    def forward(self, images: Tensor) -> tuple[Tensor, Mix]:
        """Return mixed images and how they were mixed.

        Args:
            images: float32 of shape (B, 3, S, S).
        """
        number = len(images)
        shares = torch.distributions.Beta(self.alpha, self.alpha).sample((number,))
        shares = torch.where(torch.rand(number) < self.probability, shares, 1.0)
        drawn = torch.stack([shares, *torch.rand(2, number), torch.randperm(number).float()])
        if images.is_cuda:  # a copy from pageable memory would wait for all of the GPU's queued work
            drawn = drawn.pin_memory().to(images.device, non_blocking=True)
        shares, centre_x, centre_y, order = drawn.unbind()
        partners = order.long()
        if self.kind == "mixup":
            weights = shares[:, None, None, None]
            return torch.lerp(images[partners], images, weights), Mix(partners, shares)
        is_cut = rectangles(shares, centre_x, centre_y, images.shape[-1])
        mixed = torch.where(is_cut[:, None], images[partners], images)
        return mixed, Mix(partners, 1.0 - is_cut.float().mean(dim=(1, 2)))


def rectangles(shares: Tensor, centre_x: Tensor, centre_y: Tensor, side: int) -> Tensor:
    """Return the squares that CutMix cuts out, clipped at the edges.

    Args:
        shares: λ of shape (B,); a square has the area 1 - λ before it is clipped.
        centre_x: Centres as fractions of the side, of shape (B,).
        centre_y: The same.
        side: S.

    Returns:
        bool of shape (B, S, S).
    """
    half = (1.0 - shares).sqrt()[:, None] / 2
    pixels = (torch.arange(side, device=shares.device) + 0.5) / side
    columns, rows = ((pixels - centre[:, None]).abs() < half for centre in (centre_x, centre_y))
    return rows[:, :, None] & columns[:, None, :]


def build_mixing(config: MixingConfig | None) -> ImageMixing | None:
    """Build the mixing of training images; None if there is none."""
    return None if config is None else ImageMixing(config.kind, config.alpha, config.probability)
