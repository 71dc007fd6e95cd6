"""Random views of training faces, a batch at a time: pixels and landmarks move together.

Shape letters: B images of a batch, L landmarks, S side of the image, px.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample
from torchvision.transforms.v2 import functional

from faceml.config.train import AugmentationConfig
from faceml.datasets.preprocessing import IMAGENET_MEAN
from faceml.schema import LandmarkSet


class FaceAugmentation(nn.Module):
    """Relight, mirror, rotate, zoom and shift faces.

    A batch at a time, on the device of the images: one pass over the pixels instead of several for each
    image. Random numbers are drawn on the CPU from PyTorch's global generator, so that a seed means the same
    views on every device and with any number of loader processes.

    Args:
        landmark_set: Says which points change places in a mirror.
        flip_probability: Of mirroring.
        rotation_deg: Largest rotation to either side.
        translation: Largest shift, as a fraction of S.
        scale: Smallest and largest zoom.
        brightness: Largest change of brightness, as a fraction.
        contrast: Largest change of contrast, as a fraction.
    """

    flip_permutation: Tensor
    fill: Tensor

    def __init__(
        self,
        landmark_set: LandmarkSet,
        flip_probability: float = 0.5,
        rotation_deg: float = 0.0,
        translation: float = 0.0,
        scale: tuple[float, float] = (1.0, 1.0),
        brightness: float = 0.0,
        contrast: float = 0.0,
    ) -> None:
        super().__init__()
        self.flip_probability = flip_probability
        self.rotation_deg = rotation_deg
        self.translation = translation
        self.scale = scale
        self.brightness = brightness
        self.contrast = contrast
        self.register_buffer("flip_permutation", torch.tensor(landmark_set.flip_permutation))
        # Corners that rotation uncovers get ImageNet's mean colour, which normalisation turns into zeros.
        self.register_buffer("fill", torch.tensor(IMAGENET_MEAN).reshape(3, 1, 1))

    def forward(self, images: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """Return a random view of each face, pixels as float32 from 0 to 1.

        Args:
            images: uint8 of shape (B, 3, S, S).
            landmarks: float32 of shape (B, L, 2), normalised; NaN where none. They may leave [0, 1].
        """
        number, device = len(images), images.device
        flips = (torch.rand(number) < self.flip_probability).to(device)
        degrees = _uniform(number, -self.rotation_deg, self.rotation_deg)
        shifts = _uniform(2 * number, -self.translation, self.translation).reshape(number, 2).to(device)
        turns = _turns(degrees, _uniform(number, *self.scale)).to(device)
        brightness = _uniform(number, 1 - self.brightness, 1 + self.brightness).clamp(min=0.0).to(device)
        contrast = _uniform(number, 1 - self.contrast, 1 + self.contrast).clamp(min=0.0).to(device)
        lit = relight(functional.to_dtype(images, torch.float32, scale=True), brightness, contrast)
        # grid_sample fills with zeros: the pixels are taken relative to what shall fill.
        moved = move_pixels(lit.sub_(self.fill), flips, turns, shifts).add_(self.fill)
        return moved, move_landmarks(landmarks, flips, turns, shifts, self.flip_permutation)


def relight(images: Tensor, brightness: Tensor, contrast: Tensor) -> Tensor:
    """Scale the brightness of images, then their contrast about their mean gray value, as ColorJitter does.

    Args:
        images: float32 of shape (B, 3, S, S), from 0 to 1; changed in place.
        brightness: Factor for each image, of shape (B,).
        contrast: Likewise.
    """
    mean_color = images.mean(dim=(2, 3))
    mean_gray = (mean_color @ images.new_tensor(GRAY_OF_RGB)) * brightness
    scale, offset = brightness * contrast, (1 - contrast) * mean_gray
    return images.mul_(scale[:, None, None, None]).add_(offset[:, None, None, None]).clamp_(0.0, 1.0)


def move_pixels(images: Tensor, flips: Tensor, turns: Tensor, shifts: Tensor) -> Tensor:
    """Mirror images where told, then turn and zoom them about their centre, then shift them.

    Bilinear; what is uncovered becomes 0.

    Args:
        images: float32 of shape (B, 3, S, S).
        flips: bool of shape (B,).
        turns: float32 of shape (B, 2, 2), rotation times zoom.
        shifts: float32 of shape (B, 2), as fractions of S.
    """
    # For each pixel of the view, where it comes from: centre at 0, edges at -1 and 1.
    back = torch.linalg.inv(turns)
    origin = -back @ (2.0 * shifts)[..., None]
    signs = torch.stack([1.0 - 2.0 * flips.float(), torch.ones_like(shifts[:, 0])], dim=1)
    by_x, by_y, offset = (torch.cat([back, origin], 2) * signs[..., None])[:, None, None].unbind(dim=-1)
    side = images.shape[-1]
    centres = (2.0 * torch.arange(side, device=images.device) + 1.0) / side - 1.0
    # Sums of a row and a column: affine_grid multiplies matrices for every pixel, which takes as long as
    # half the sampling.
    grid = by_x * centres[:, None] + (by_y * centres[:, None, None] + offset)
    return grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def move_landmarks(
    landmarks: Tensor, flips: Tensor, turns: Tensor, shifts: Tensor, flip_permutation: Tensor
) -> Tensor:
    """Move points as `move_pixels` moves pixels; in a mirror they change places as well.

    Args:
        landmarks: float32 of shape (B, L, 2), normalised; NaN stays.
        flips: bool of shape (B,).
        turns: float32 of shape (B, 2, 2).
        shifts: float32 of shape (B, 2).
        flip_permutation: int64 of shape (L,), from the landmark set.
    """
    mirrored = mirror_landmarks(landmarks, flip_permutation)
    points = torch.where(flips[:, None, None], mirrored, landmarks) - 0.5
    # Not a matrix product: it would spread a NaN over other points in some implementations.
    x = points[..., :1] * turns[:, None, 0, :1] + points[..., 1:] * turns[:, None, 0, 1:]
    y = points[..., :1] * turns[:, None, 1, :1] + points[..., 1:] * turns[:, None, 1, 1:]
    return torch.cat([x, y], dim=-1) + 0.5 + shifts[:, None]


def mirror_landmarks(landmarks: Tensor, flip_permutation: Tensor) -> Tensor:
    """Mirror points, so that the one named left is again on the viewer's left.

    Args:
        landmarks: float32 of shape (…, L, 2), normalised.
        flip_permutation: int64 of shape (L,), from the landmark set.
    """
    mirrored = torch.stack([1.0 - landmarks[..., 0], landmarks[..., 1]], dim=-1)
    return mirrored[..., flip_permutation, :]


def build_augmentation(config: AugmentationConfig, landmark_set: LandmarkSet) -> FaceAugmentation:
    """Build the augmentation of training images."""
    return FaceAugmentation(landmark_set, **config.model_dump())


GRAY_OF_RGB = (0.299, 0.587, 0.114)
"""Luma of ITU-R BT.601, as in `torchvision.transforms.functional.rgb_to_grayscale`."""


def _uniform(number: int, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(number)


def _turns(degrees: Tensor, zooms: Tensor) -> Tensor:
    """Return rotation times zoom, of shape (B, 2, 2)."""
    cos, sin = zooms * torch.cos(torch.deg2rad(degrees)), zooms * torch.sin(torch.deg2rad(degrees))
    return torch.stack([torch.stack([cos, -sin], dim=1), torch.stack([sin, cos], dim=1)], dim=1)
