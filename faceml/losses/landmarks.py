"""Losses of the landmark task, averaged over the coordinates of faces with landmarks.

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
"""Elementwise loss of errors of any shape; 0 at 0."""


def masked_mean(
    penalty: Penalty,
    predicted: Tensor,
    target: Tensor,
    has_landmarks: Tensor,
    normalizer: Tensor | None = None,
) -> Tensor:
    """Compute the mean penalty over the 2L coordinates of rows with landmarks.

    Without such rows the loss and its gradients are exactly 0. Targets of rows without landmarks are ignored
    and may be NaN.

    Args:
        penalty: Elementwise loss of the errors.
        predicted: float32 of shape (B, L, 2), normalised coordinates.
        target: float32 of shape (B, L, 2).
        has_landmarks: bool of shape (B,).
        normalizer: Scalar, number of rows to divide by instead of those of this batch. For a batch on
            several workers whose gradients are averaged: rows with landmarks of all workers / workers.

    Returns:
        Scalar.
    """
    # `where` instead of a product with the mask: 0 * NaN is NaN, in value and gradient.
    error = torch.where(has_landmarks[:, None, None], predicted.float() - target, 0.0)
    rows = has_landmarks.sum() if normalizer is None else normalizer
    coordinates = target.shape[1] * target.shape[2]
    return penalty(error).sum() / (torch.where(rows > 0, rows, 1) * coordinates)


masked_mse = partial(masked_mean, torch.square)
"""Mean squared error."""


def smooth_l1(error: Tensor, beta: float) -> Tensor:
    """Compute smooth L1: e²/(2β) for |e| < β, else |e| - β/2 (Girshick 2015, "Fast R-CNN", eq. 3, β = 1).

    Args:
        error: Of any shape.
        beta: β, error from which the loss is linear, in units of the image's side.
    """
    return functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=beta)


def wing(error: Tensor, width: float, curvature: float) -> Tensor:
    """Compute wing loss: w·ln(1 + |e|/ε) for |e| < w, else |e| - C (Feng et al. 2018, "Wing loss", eq. 5).

    C makes it continuous. Small errors have larger gradients than under squared error: w/ε at 0, 1 beyond w.

    Args:
        error: Of any shape.
        width: w, in units of the image's side.
        curvature: ε, in units of the image's side.
    """
    size = error.abs()
    offset = width - width * math.log1p(width / curvature)
    return torch.where(size < width, width * torch.log1p(size / curvature), size - offset)


def build_landmark_loss(config: LandmarkLossConfig) -> Callable[..., Tensor]:
    """Build the landmark loss; its arguments are those of `masked_mean` after `penalty`."""
    if config.kind == "mse":
        return masked_mse
    if config.kind == "smooth_l1":
        return partial(masked_mean, partial(smooth_l1, beta=config.beta))
    return partial(masked_mean, partial(wing, width=config.width, curvature=config.curvature))
