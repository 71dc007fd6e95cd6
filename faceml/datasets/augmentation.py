"""Augmentation of batches of training images, and the moves by which targets follow them.

Shape letters: B images of a batch, L landmarks, S side of the image, px.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from faceml.config import AugmentationConfig
from faceml.datasets.preprocessing import IMAGENET_MEAN


class Moves(NamedTuple):
    """Geometric transformation of each image of a batch: a flip, then rotation and scale, then a translation.

    Attributes:
        flips: True for images that are flipped horizontally, bool of shape (B,).
        turns: Rotation times scale about the centre, float32 of shape (B, 2, 2).
        shifts: Translations as fractions of S, float32 of shape (B, 2).
    """

    flips: Tensor
    turns: Tensor
    shifts: Tensor


class FaceAugmentation(nn.Module):
    """Randomly change brightness and contrast, flip, rotate, scale and translate faces.

    Batches are transformed on the device of the images, in one pass over the pixels. Random numbers are drawn
    on the CPU from PyTorch's global generator: a seed gives the same augmentation on every device and with
    any number of loader processes.

    Args:
        flip_probability: Probability of a horizontal flip.
        rotation_deg: Largest rotation to either side, degrees.
        translation: Largest translation, as a fraction of S.
        scale: Smallest and largest scale factor.
        brightness: Largest change of brightness, as a fraction.
        contrast: Largest change of contrast, as a fraction.
        erasing_probability: Probability that a rectangle is set to ImageNet's mean colour, which keeps its
            targets (Zhong et al. 2020, "Random erasing").
        erasing_area: Smallest and largest area of the rectangle, as a fraction of the image's.
    """

    fill: Tensor

    def __init__(
        self,
        flip_probability: float = 0.5,
        rotation_deg: float = 0.0,
        translation: float = 0.0,
        scale: tuple[float, float] = (1.0, 1.0),
        brightness: float = 0.0,
        contrast: float = 0.0,
        erasing_probability: float = 0.0,
        erasing_area: tuple[float, float] = (0.02, 0.2),
    ) -> None:
        super().__init__()
        self.flip_probability = flip_probability
        self.rotation_deg = rotation_deg
        self.translation = translation
        self.scale = scale
        self.brightness = brightness
        self.contrast = contrast
        self.erasing_probability = erasing_probability
        self.erasing_area = erasing_area
        # Pixels from outside the image get ImageNet's mean colour, which normalisation turns into zeros.
        self.register_buffer("fill", torch.tensor(IMAGENET_MEAN).reshape(3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Moves]:
        """Return augmented images, float32 from 0 to 1, and how they were moved.

        Args:
            images: uint8 of shape (B, 3, S, S).
        """
        number = len(images)
        flips = (torch.rand(number) < self.flip_probability).float()[:, None]
        degrees = _uniform(number, -self.rotation_deg, self.rotation_deg)
        shifts = _uniform(2 * number, -self.translation, self.translation).reshape(number, 2)
        turns = _turns(degrees, _uniform(number, *self.scale)).reshape(number, 4)
        brightness = _uniform(number, 1 - self.brightness, 1 + self.brightness).clamp(min=0.0)[:, None]
        contrast = _uniform(number, 1 - self.contrast, 1 + self.contrast).clamp(min=0.0)[:, None]
        parts = [flips, turns, shifts, brightness, contrast]
        if self.erasing_probability:
            parts.append(self._draw_rectangles(number))
        drawn = torch.cat(parts, dim=1)
        if images.is_cuda:  # a copy from pageable memory would wait for all of the GPU's queued work
            drawn = drawn.pin_memory().to(images.device, non_blocking=True)
        flip, turns, shifts, brightness, contrast, *boxes = torch.split(
            drawn, [part.shape[1] for part in parts], dim=1
        )
        moves = Moves(flip[:, 0] > 0, turns.reshape(number, 2, 2), shifts)
        framed, inside = frame(images, self.fill)
        relight(images, brightness, contrast, inside)
        moved = move_pixels(framed, moves)
        return (erase(moved, boxes[0], self.fill) if boxes else moved), moves

    def _draw_rectangles(self, number: int) -> Tensor:
        """Return rectangles as fractions of S: left, top, right, bottom; empty where nothing is erased.

        Returns:
            float32 of shape (B, 4).
        """
        area = _uniform(number, *self.erasing_area)
        aspect = _uniform(number, *(math.log(ratio) for ratio in ASPECT_RATIOS)).exp()
        width, height = (area * aspect).sqrt().clamp(max=1.0), (area / aspect).sqrt().clamp(max=1.0)
        left, top = torch.rand(number) * (1 - width), torch.rand(number) * (1 - height)
        is_erased = torch.rand(number) < self.erasing_probability
        boxes = torch.stack([left, top, left + width, top + height], dim=1)
        return torch.where(is_erased[:, None], boxes, 0.0)


def frame(images: Tensor, fill: Tensor) -> tuple[Tensor, Tensor]:
    """Allocate images with a border of one pixel in a constant colour.

    Args:
        images: Images of shape (B, 3, S, S); only their shape is used.
        fill: The colour, float32 of shape (3, 1, 1).

    Returns:
        float32 of shape (B, 3, S + 2, S + 2), and a view of its inside of shape (B, 3, S, S).
    """
    number, channels, height, width = images.shape
    framed = fill.expand(number, channels, height + 2, width + 2).clone()
    return framed, framed[..., 1:-1, 1:-1]


def relight(images: Tensor, brightness: Tensor, contrast: Tensor, out: Tensor) -> None:
    """Scale the brightness of images, then their contrast about the mean gray value, as ColorJitter does.

    Args:
        images: uint8 of shape (B, 3, S, S).
        brightness: Factor of each image, of shape (B, 1).
        contrast: Factor of each image, of shape (B, 1).
        out: Output, float32 from 0 to 1 of the images' shape.
    """
    mean_color = torch.split(images.mean(dim=(2, 3), dtype=torch.float32) / 255, 1, dim=1)
    mean_gray = sum(share * mean for share, mean in zip(GRAY_OF_RGB, mean_color, strict=True)) * brightness
    scale, offset = brightness * contrast, (1 - contrast) * mean_gray
    torch.mul(images, scale[..., None, None] / 255, out=out)
    out.add_(offset[..., None, None]).clamp_(0.0, 1.0)


def move_pixels(framed: Tensor, moves: Moves) -> Tensor:
    """Flip images, rotate and scale them about their centre, then translate them, with bilinear sampling.

    Pixels from outside an image get the colour of its border: PyTorch's padding mode `border` is faster than
    a check of every pixel.

    Args:
        framed: float32 of shape (B, 3, S + 2, S + 2), images with a border of one pixel.
        moves: Moves of the images.

    Returns:
        float32 of shape (B, 3, S, S).
    """
    flips, turns, shifts = moves
    # The source of each output pixel: the centre is 0, edges are -1 and 1.
    a, b, c, d = turns.reshape(-1, 4).unbind(dim=1)
    adjugate = torch.stack([torch.stack([d, -b], dim=1), torch.stack([-c, a], dim=1)], dim=1)
    back = adjugate / (a * d - b * c)[:, None, None]  # torch.linalg.inv would synchronise with the GPU
    origin = -back @ (2.0 * shifts)[..., None]
    signs = torch.stack([1.0 - 2.0 * flips.float(), torch.ones_like(a)], dim=1)
    side = framed.shape[-1] - 2
    scale = side / (side + 2)
    by_x, by_y, offset = (torch.cat([back, origin], 2) * signs[..., None] * scale)[..., None, None].unbind(2)
    centres = (2.0 * torch.arange(side, device=framed.device) + 1.0) / side - 1.0
    # The grid is the sum of a row and a column, for x and for y. affine_grid multiplies matrices for every
    # pixel instead, which takes half as long as the sampling.
    grid = by_x * centres + (by_y * centres[:, None] + offset)
    return grid_sample(
        framed, grid.permute(0, 2, 3, 1), mode="bilinear", padding_mode="border", align_corners=False
    )


def erase(images: Tensor, boxes: Tensor, fill: Tensor) -> Tensor:
    """Set the pixels whose centre lies in a rectangle to a constant colour.

    Args:
        images: float32 of shape (B, 3, S, S).
        boxes: Left, top, right and bottom as fractions of S, float32 of shape (B, 4).
        fill: The colour, float32 of shape (3, 1, 1).
    """
    centres = (torch.arange(images.shape[-1], device=images.device) + 0.5) / images.shape[-1]
    left, top, right, bottom = boxes[..., None].unbind(dim=1)
    columns, rows = (left <= centres) & (centres < right), (top <= centres) & (centres < bottom)
    return torch.where((rows[:, :, None] & columns[:, None, :])[:, None], fill, images)


def move_landmarks(landmarks: Tensor, moves: Moves, flip_permutation: Tensor) -> Tensor:
    """Transform landmarks as `move_pixels` transforms images; a flip also exchanges left and right.

    Args:
        landmarks: float32 of shape (B, L, 2), normalised; NaN stays NaN.
        moves: Moves of the images.
        flip_permutation: int64 of shape (L,), from the landmark set.

    Returns:
        float32 of shape (B, L, 2); landmarks may leave [0, 1].
    """
    flips, turns, shifts = moves
    mirrored = mirror_landmarks(landmarks, flip_permutation)
    points = torch.where(flips[:, None, None], mirrored, landmarks) - 0.5
    # Some implementations of the matrix product would spread a NaN to other points.
    x = points[..., :1] * turns[:, None, 0, :1] + points[..., 1:] * turns[:, None, 0, 1:]
    y = points[..., :1] * turns[:, None, 1, :1] + points[..., 1:] * turns[:, None, 1, 1:]
    return torch.cat([x, y], dim=-1) + 0.5 + shifts[:, None]


def mirror_landmarks(landmarks: Tensor, flip_permutation: Tensor) -> Tensor:
    """Flip landmarks and exchange left and right, so that names stay true for the viewer.

    Args:
        landmarks: float32 of shape (…, L, 2), normalised.
        flip_permutation: int64 of shape (L,), from the landmark set.
    """
    mirrored = torch.stack([1.0 - landmarks[..., 0], landmarks[..., 1]], dim=-1)
    return mirrored[..., flip_permutation, :]


def build_augmentation(config: AugmentationConfig) -> FaceAugmentation:
    """Build the augmentation of training images."""
    return FaceAugmentation(**config.model_dump())


GRAY_OF_RGB = (0.299, 0.587, 0.114)
"""Luma weights of ITU-R BT.601, as in `torchvision.transforms.functional.rgb_to_grayscale`."""


ASPECT_RATIOS = (0.3, 1 / 0.3)
"""Smallest and largest ratio of width to height of erased rectangles, those of Zhong et al. 2020."""


def _uniform(number: int, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(number)


def _turns(degrees: Tensor, zooms: Tensor) -> Tensor:
    """Return rotation times scale, of shape (B, 2, 2)."""
    cos, sin = zooms * torch.cos(torch.deg2rad(degrees)), zooms * torch.sin(torch.deg2rad(degrees))
    return torch.stack([torch.stack([cos, -sin], dim=1), torch.stack([sin, cos], dim=1)], dim=1)
