"""Losses of the landmark task: of each coordinate's error, averaged over the faces that have landmarks.

Shape letters: B images of a batch, L landmarks.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from faceml.config import LandmarkLossConfig

Penalty = Callable[[Tensor], Tensor]
"""From errors of any shape to what each costs; 0 for no error."""


def masked_mean(
    penalty: Penalty,
    predicted: Tensor,
    target: Tensor,
    has_landmarks: Tensor,
    normalizer: Tensor | None = None,
) -> Tensor:
    """Return the mean penalty over the rows with landmarks and their 2L coordinates.

    Without any such row the loss is exactly 0 and so are its gradients. What stands in the target of a row
    without landmarks, NaN included, has no influence.

    Args:
        penalty: Of each coordinate's error.
        predicted: float32 of shape (B, L, 2), normalised coordinates.
        target: float32 of shape (B, L, 2).
        has_landmarks: bool of shape (B,).
        normalizer: Scalar, the number of rows to divide by instead of this batch's. For a batch spread over
            workers whose gradients are averaged: rows with landmarks on all workers / number of workers.
    """
    # `where`, not a product with the mask: 0 * NaN is NaN, in the value and in the gradient.
    error = torch.where(has_landmarks[:, None, None], predicted.float() - target, 0.0)
    rows = has_landmarks.sum() if normalizer is None else normalizer
    coordinates = target.shape[1] * target.shape[2]
    return penalty(error).sum() / (torch.where(rows > 0, rows, 1) * coordinates)


masked_mse = partial(masked_mean, torch.square)
"""Mean squared error."""


def smooth_l1(error: Tensor, beta: float) -> Tensor:
    """Return e²/(2β) for |e| < β, |e| - β/2 beyond (Girshick 2015, "Fast R-CNN", eq. 3, there with β = 1).

    Args:
        error: Of any shape.
        beta: β, the error from which the penalty is linear, in units of the image's side.
    """
    return functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=beta)


def wing(error: Tensor, width: float, curvature: float) -> Tensor:
    """Return w·ln(1 + |e|/ε) for |e| < w, |e| - C beyond, C making it continuous (Feng et al. 2018, eq. 5).

    Small errors pull harder than under squares: the gradient is w/ε at 0 and falls to 1 beyond w.

    Args:
        error: Of any shape.
        width: w, in units of the image's side.
        curvature: ε, likewise.
    """
    size = error.abs()
    offset = width - width * math.log1p(width / curvature)
    return torch.where(size < width, width * torch.log1p(size / curvature), size - offset)


def build_landmark_loss(config: LandmarkLossConfig) -> Callable[..., Tensor]:
    """Build the loss; its arguments are those of `masked_mean` after the penalty."""
    if config.kind == "mse":
        return masked_mse
    if config.kind == "smooth_l1":
        return partial(masked_mean, partial(smooth_l1, beta=config.beta))
    return partial(masked_mean, partial(wing, width=config.width, curvature=config.curvature))
