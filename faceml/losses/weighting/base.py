"""What every weighting is: a factor and a penalty for each task, and moments at which it may change them."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn


class TaskWeighting(nn.Module, ABC):
    """Form total = Σ factor(task)·L_task + penalty(task) over a set of named tasks.

    Args:
        tasks: Their names.

    Attributes:
        needs_losses: Whether `see_losses` and `after_step` want the task losses of every step.
        projects_conflicts: Whether the tasks' gradients are to be freed of conflicts on shared parameters.
    """

    needs_losses: bool = False
    projects_conflicts: bool = False

    def __init__(self, tasks: Collection[str]) -> None:
        super().__init__()
        self.tasks = frozenset(tasks)

    @abstractmethod
    def factor(self, task: str) -> Tensor | float:
        """Return what the loss of `task` is multiplied by."""

    @abstractmethod
    def penalty(self, task: str) -> Tensor | float:
        """Return what `task` adds to the total whatever its loss."""

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the total, a scalar; `losses` has one scalar for each task.

        Raises:
            ValueError: A task without a loss, or a loss without a task.
        """
        if losses.keys() != self.tasks:
            raise ValueError(f"losses of {sorted(losses)} given, {sorted(self.tasks)} are weighted")
        terms = [self.factor(task) * loss + self.penalty(task) for task, loss in losses.items()]
        return torch.stack(terms).sum()

    @torch.no_grad()
    def effective_weights(self) -> dict[str, float]:
        """Return the factor of each task as it is now, for the log."""
        return {task: float(self.factor(task)) for task in sorted(self.tasks)}

    def log_variances(self) -> dict[str, Tensor]:
        """Return s = log σ² of each task as it is now, for the log; empty if nothing is learned."""
        return {}

    def clamp_(self) -> None:
        """Bring learned values back into their range; call it after every optimiser step."""

    def before_step(self) -> None:
        """Get ready for the next step of the training."""

    def see_losses(self, losses: Mapping[str, Tensor]) -> None:
        """Hear the losses of a step, means over all workers and cut from the graph, before `forward`."""

    def after_step(self, losses: Mapping[str, Tensor]) -> None:
        """Hear the losses of the same faces after the step."""

    def after_epoch(self, losses: Mapping[str, float]) -> None:
        """Hear each task's mean loss over an epoch and all workers."""
