"""Losses of errors, elementwise: squared error, smooth L1 and wing loss; and the concordance of a batch.

Shape letters: B images of a batch, K columns.
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


def smooth_l1(error: Tensor, beta: float) -> Tensor:
    """Compute smooth L1: e²/(2β) for |e| < β, else |e| - β/2 (Girshick 2015, "Fast R-CNN", eq. 3, β = 1).

    Args:
        error: Of any shape.
        beta: β, error from which the loss is linear, in the units of the error.
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


def build_error_penalty(config: LandmarkLossConfig) -> Penalty:
    """Build an elementwise loss."""
    if config.kind == "mse":
        return torch.square
    if config.kind == "smooth_l1":
        return partial(smooth_l1, beta=config.beta)
    return partial(wing, width=config.width, curvature=config.curvature)


def concordance(moments: Tensor) -> Tensor:
    """Compute the concordance correlation coefficient (CCC) of each column.

    2·cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))²) (Lin 1989, "A concordance correlation coefficient
    to evaluate reproducibility"), with moments over n; 0 where both x and y are the same constant.

    Args:
        moments: Means of x, y, x², y² and x·y over the images, of shape (5, K).

    Returns:
        Of shape (K,), from -1 to 1.
    """
    x, y, xx, yy, xy = moments
    spread = (xx - x.square()) + (yy - y.square()) + (x - y).square()
    is_constant = spread <= 8 * torch.finfo(spread.dtype).eps * (xx + yy)  # 0 but for rounding
    return torch.where(is_constant, 0.0, 2 * (xy - x * y) / torch.where(is_constant, 1.0, spread))
