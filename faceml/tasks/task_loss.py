"""Interface of the losses of tasks.

Shape letters: B faces of a batch.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from faceml.datasets import Target


class TaskLoss(nn.Module, ABC):
    """Loss of a task for a batch."""

    @abstractmethod
    def forward(self, output: Tensor, target: Target, count: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar; exactly 0, with gradients of 0, without any target.

        Args:
            output: Output of the task's head, of shape (B, …).
            target: Target of the batch; values of rows that are not known are ignored.
            count: Scalar by which a sum over targets is divided instead of the number in this batch: the
                mean of `Task.count` over all workers and batches of the step. Gradients that are averaged
                over workers then equal those of one worker with all faces.
        """


def sum_over_count(losses: Tensor, count: Tensor) -> Tensor:
    """Return the sum of losses divided by the number of targets; 0 without any."""
    return losses.sum() / torch.where(count > 0, count, 1)
