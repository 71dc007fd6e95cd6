"""Interface of task weightings, and constant weights.

Shape letters: K tasks, P parameters.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn


class TaskWeighting(nn.Module, ABC):
    """Combine task losses: total = Σ factor(task)·L_task + penalty(task).

    Args:
        tasks: Names of the tasks.

    Attributes:
        tasks: Names of the tasks in alphabetical order.
        needs_losses: Whether `on_losses` needs the task losses of every step.
        needs_losses_again: Whether `after_step` needs the losses of the same batch after the step.
        combines_gradients: Whether the training step computes the gradient of each task, and
            `combine_gradients` instead of their sum is that of the shared parameters.
    """

    needs_losses: bool = False
    needs_losses_again: bool = False
    combines_gradients: bool = False

    def __init__(self, tasks: Collection[str]) -> None:
        super().__init__()
        self.tasks = tuple(sorted(tasks))

    @abstractmethod
    def factor(self, task: str) -> Tensor | float:
        """Return the factor of the loss of `task`."""

    @abstractmethod
    def penalty(self, task: str) -> Tensor | float:
        """Return the term that `task` adds to the total independently of its loss."""

    def forward(self, losses: Mapping[str, Tensor], counts: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the total loss, a scalar.

        Args:
            losses: One scalar for each task.
            counts: Number of targets of each task in the step, over all workers, scalars. A task without
                targets adds no penalty: otherwise the weights of rare targets would be learned from steps
                in which they have no loss. None: all tasks have targets.

        Raises:
            ValueError: The losses are not those of the tasks.
        """
        if losses.keys() != set(self.tasks):
            raise ValueError(f"losses of {sorted(losses)} given, {list(self.tasks)} are weighted")
        terms = [
            self.factor(task) * loss + self.penalty(task) * (counts[task] > 0 if counts else 1.0)
            for task, loss in losses.items()
        ]
        return torch.stack(terms).sum()

    @torch.no_grad()
    def effective_weights(self) -> dict[str, float]:
        """Return the present factor of each task, for logging."""
        return {task: float(self.factor(task)) for task in self.tasks}

    def log_variances(self) -> dict[str, Tensor]:
        """Return the present s = log σ² of each task, for logging; empty if nothing is learned."""
        return {}

    def clamp_(self) -> None:
        """Clamp learned parameters to their range; called after every optimiser step."""

    def before_step(self) -> None:
        """Prepare the next training step."""

    def on_losses(self, losses: Mapping[str, Tensor]) -> None:
        """Receive the losses of a step before `forward`: means over all workers, detached."""

    def combine_gradients(self, gradients: Tensor, is_finite: Tensor) -> Tensor:
        """Return the gradient of the shared parameters.

        Args:
            gradients: Gradients of the weighted task losses over P shared parameters, means over all workers,
                float32 of shape (K, P) in the order of `tasks`.
            is_finite: False if the step will be skipped because a gradient is not finite, scalar.

        Returns:
            float32 of shape (P,); not finite if `gradients` are not.
        """
        return gradients.sum(dim=0)

    def after_step(self, losses: Mapping[str, Tensor]) -> None:
        """Receive the losses of the same batch after the step."""

    def after_epoch(self, losses: Mapping[str, float]) -> None:
        """Receive the mean loss of each task over an epoch and all workers."""


class FixedWeighting(TaskWeighting):
    """Constant weights: total = Σ λ·L.

    Args:
        lambdas: Weight λ of each task.
    """

    def __init__(self, lambdas: Mapping[str, float]) -> None:
        super().__init__(lambdas)
        self.lambdas = dict(lambdas)

    def factor(self, task: str) -> float:
        """Return λ."""
        return self.lambdas[task]

    def penalty(self, task: str) -> float:
        """Return 0."""
        return 0.0
