"""Metrics of predicted numbers, accumulated over batches and workers.

Shape letters: B images of a batch, K numbers.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric


class NumberErrors(NamedTuple):
    """Errors and moments of predicted numbers; NaN without any image.

    Attributes:
        absolute: Mean absolute error of each number, float64 of shape (K,).
        squared: Mean squared error of each number, float64 of shape (K,).
        moments: Means of x, y, x², y² and x·y of predictions x and targets y, float64 of shape (5, K).
        deviation: Standard deviation over the images of their mean absolute error, scalar; NaN without two.
        images: Number of images, scalar.
    """

    absolute: Tensor
    squared: Tensor
    moments: Tensor
    deviation: Tensor
    images: Tensor


class NumberAgreement(Metric):
    """Errors and moments of predicted numbers.

    Args:
        num_numbers: K.
    """

    full_state_update = False
    is_differentiable = False

    absolute: Tensor
    squared: Tensor
    moments: Tensor
    of_images: Tensor
    images: Tensor

    def __init__(self, num_numbers: int) -> None:
        super().__init__()
        # float64: the differences of moments would lose the precision of float32.
        zeros = torch.zeros(num_numbers, dtype=torch.float64)
        self.add_state("absolute", zeros.clone(), dist_reduce_fx="sum")
        self.add_state("squared", zeros.clone(), dist_reduce_fx="sum")
        self.add_state("moments", zeros.repeat(5, 1), dist_reduce_fx="sum")
        self.add_state("of_images", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("images", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, predicted: Tensor, target: Tensor) -> None:
        """Add a batch of numbers, of shape (B, K)."""
        x, y = predicted.double(), target.double()
        errors = (x - y).abs()
        self.absolute += errors.sum(dim=0)
        self.squared += errors.square().sum(dim=0)
        self.moments += torch.stack([x, y, x.square(), y.square(), x * y]).sum(dim=1)
        self.of_images += errors.mean(dim=1).square().sum()
        self.images += len(x)

    def compute(self) -> NumberErrors:
        """Return errors and moments over all images of all workers."""
        absolute, squared, moments = (
            sums / self.images for sums in (self.absolute, self.squared, self.moments)
        )
        variance = (self.of_images - self.images * absolute.mean().square()) / (self.images - 1)
        deviation = torch.where(self.images > 1, variance.clamp_min(0.0).sqrt(), torch.nan)
        return NumberErrors(absolute, squared, moments, deviation, self.images)
