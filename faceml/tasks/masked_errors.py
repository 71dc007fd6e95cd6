"""Elementwise loss of errors, over the rows that have a target."""

import torch
from torch import Tensor

from faceml.datasets import Target
from faceml.losses import Penalty
from faceml.tasks.task_loss import TaskLoss, sum_over_count


class MaskedErrors(TaskLoss):
    """Mean elementwise loss over all coordinates or numbers of rows with a target.

    A target may have more of them than the output; these do not count.

    Args:
        penalty: Elementwise loss of the errors.
    """

    def __init__(self, penalty: Penalty) -> None:
        super().__init__()
        self.penalty = penalty

    def forward(self, output: Tensor, target: Target, count: Tensor) -> Tensor:
        """Return the loss of a batch; see `TaskLoss`."""
        known = target.known.reshape(-1, *(1,) * (output.ndim - 1))
        # `where` instead of a product with the mask: 0 * NaN is NaN, in value and gradient.
        errors = torch.where(known, output.float() - target.values[:, : output.shape[1]], 0.0)
        return sum_over_count(self.penalty(errors), count * output.shape[1:].numel())
