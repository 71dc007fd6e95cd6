"""Random views of training faces, a batch at a time: pixels and landmarks move together.

Shape letters: B images of a batch, L landmarks, S side of the image, px.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from faceml.config import AugmentationConfig
from faceml.datasets.preprocessing import IMAGENET_MEAN
from faceml.tables import LandmarkSet


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
        number = len(images)
        flips = (torch.rand(number) < self.flip_probability).float()[:, None]
        degrees = _uniform(number, -self.rotation_deg, self.rotation_deg)
        shifts = _uniform(2 * number, -self.translation, self.translation).reshape(number, 2)
        turns = _turns(degrees, _uniform(number, *self.scale)).reshape(number, 4)
        brightness = _uniform(number, 1 - self.brightness, 1 + self.brightness).clamp(min=0.0)[:, None]
        contrast = _uniform(number, 1 - self.contrast, 1 + self.contrast).clamp(min=0.0)[:, None]
        drawn = torch.cat([flips, turns, shifts, brightness, contrast], dim=1)
        if images.is_cuda:  # from other memory every copy would wait until the GPU has nothing left to do
            drawn = drawn.pin_memory().to(images.device, non_blocking=True)
        flip, turns, shifts, brightness, contrast = torch.split(drawn, [1, 4, 2, 1, 1], dim=1)
        flips, turns = flip[:, 0] > 0, turns.reshape(number, 2, 2)
        framed, inside = frame(images, self.fill)
        relight(images, brightness, contrast, inside)
        moved = move_pixels(framed, flips, turns, shifts)
        return moved, move_landmarks(landmarks, flips, turns, shifts, self.flip_permutation)


def frame(images: Tensor, fill: Tensor) -> tuple[Tensor, Tensor]:
    """Return memory for images with one more pixel of a colour on each side, and the part within.

    Args:
        images: Of shape (B, 3, S, S), not copied.
        fill: float32 of shape (3, 1, 1), the colour.

    Returns:
        float32 of shape (B, 3, S + 2, S + 2), and a view of it of shape (B, 3, S, S).
    """
    number, channels, height, width = images.shape
    framed = fill.expand(number, channels, height + 2, width + 2).clone()
    return framed, framed[..., 1:-1, 1:-1]


def relight(images: Tensor, brightness: Tensor, contrast: Tensor, out: Tensor) -> None:
    """Scale the brightness of images, then their contrast about their mean gray value, as ColorJitter does.

    Args:
        images: uint8 of shape (B, 3, S, S).
        brightness: Factor for each image, of shape (B, 1).
        contrast: Likewise.
        out: float32 of the images' shape, receives pixels from 0 to 1.
    """
    mean_color = torch.split(images.mean(dim=(2, 3), dtype=torch.float32) / 255, 1, dim=1)
    mean_gray = sum(share * mean for share, mean in zip(GRAY_OF_RGB, mean_color, strict=True)) * brightness
    scale, offset = brightness * contrast, (1 - contrast) * mean_gray
    torch.mul(images, scale[..., None, None] / 255, out=out)
    out.add_(offset[..., None, None]).clamp_(0.0, 1.0)


def move_pixels(framed: Tensor, flips: Tensor, turns: Tensor, shifts: Tensor) -> Tensor:
    """Mirror images where told, then turn and zoom them about their centre, then shift them.

    Bilinear; what is uncovered gets the colour of the frame. A frame whose pixels are repeated without end is
    faster than to ask for every pixel whether it is inside.

    Args:
        framed: float32 of shape (B, 3, S + 2, S + 2), images in a frame of one pixel.
        flips: bool of shape (B,).
        turns: float32 of shape (B, 2, 2), rotation times zoom.
        shifts: float32 of shape (B, 2), as fractions of S.

    Returns:
        float32 of shape (B, 3, S, S).
    """
    # For each pixel of the view, where it comes from: centre at 0, edges at -1 and 1.
    a, b, c, d = turns.reshape(-1, 4).unbind(dim=1)
    adjugate = torch.stack([torch.stack([d, -b], dim=1), torch.stack([-c, a], dim=1)], dim=1)
    back = adjugate / (a * d - b * c)[:, None, None]  # torch.linalg.inv would wait for a GPU
    origin = -back @ (2.0 * shifts)[..., None]
    signs = torch.stack([1.0 - 2.0 * flips.float(), torch.ones_like(a)], dim=1)
    side = framed.shape[-1] - 2
    scale = side / (side + 2)
    by_x, by_y, offset = (torch.cat([back, origin], 2) * signs[..., None] * scale)[..., None, None].unbind(2)
    centres = (2.0 * torch.arange(side, device=framed.device) + 1.0) / side - 1.0
    # Sums of a row and a column, a plane for x and one for y: affine_grid multiplies matrices for every
    # pixel, which takes as long as half the sampling.
    grid = by_x * centres + (by_y * centres[:, None] + offset)
    return grid_sample(
        framed, grid.permute(0, 2, 3, 1), mode="bilinear", padding_mode="border", align_corners=False
    )


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
