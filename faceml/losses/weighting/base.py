"""Interface of task weightings, and constant weights."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn


class TaskWeighting(nn.Module, ABC):
    """Combine task losses: total = Σ factor(task)·L_task + penalty(task).

    Args:
        tasks: Names of the tasks.

    Attributes:
        needs_losses: Whether `on_losses` and `after_step` need the task losses of every step.
        projects_conflicts: Whether the training step projects conflicting gradients of shared parameters.
    """

    needs_losses: bool = False
    projects_conflicts: bool = False

    def __init__(self, tasks: Collection[str]) -> None:
        super().__init__()
        self.tasks = frozenset(tasks)

    @abstractmethod
    def factor(self, task: str) -> Tensor | float:
        """Return the factor of the loss of `task`."""

    @abstractmethod
    def penalty(self, task: str) -> Tensor | float:
        """Return the term that `task` adds to the total independently of its loss."""

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the total loss, a scalar; `losses` has one scalar for each task.

        Raises:
            ValueError: The losses are not those of the tasks.
        """
        if losses.keys() != self.tasks:
            raise ValueError(f"losses of {sorted(losses)} given, {sorted(self.tasks)} are weighted")
        terms = [self.factor(task) * loss + self.penalty(task) for task, loss in losses.items()]
        return torch.stack(terms).sum()

    @torch.no_grad()
    def effective_weights(self) -> dict[str, float]:
        """Return the present factor of each task, for logging."""
        return {task: float(self.factor(task)) for task in sorted(self.tasks)}

    def log_variances(self) -> dict[str, Tensor]:
        """Return the present s = log σ² of each task, for logging; empty if nothing is learned."""
        return {}

    def clamp_(self) -> None:
        """Clamp learned parameters to their range; called after every optimiser step."""

    def before_step(self) -> None:
        """Prepare the next training step."""

    def on_losses(self, losses: Mapping[str, Tensor]) -> None:
        """Receive the losses of a step before `forward`: means over all workers, detached."""

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


class ConflictFreeWeighting(FixedWeighting):
    """Constant weights with PCGrad (Yu et al. 2020, "Gradient surgery", Algorithm 1).

    The training step projects the gradients, see `faceml.training.conflicts`.
    """

    projects_conflicts = True
