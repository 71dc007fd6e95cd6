"""Weights learned as the uncertainty of each task.

All kinds hold s = log σ² of every task, σ² being the task's observation noise: unlike σ², it may take any
value. Left to itself, s goes where the total is lowest for the task's present loss L; each kind states that
optimum.
"""

from collections.abc import Collection
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceml.losses.weighting.base import TaskWeighting


class _LearnedWeighting(TaskWeighting):
    """Hold one log-variance for each task.

    Args:
        tasks: Their names.
        initial_log_var: Start of every s.
        max_abs_log_var: `clamp_` keeps s within ± this. It projects the parameter after the step; clamping
            in `forward` would cut the gradient of an s outside the range, which then could never return.
    """

    def __init__(
        self, tasks: Collection[str], initial_log_var: float = 0.0, max_abs_log_var: float = 10.0
    ) -> None:
        super().__init__(tasks)
        self.max_abs_log_var = max_abs_log_var
        self.log_vars = nn.ParameterDict(
            {task: nn.Parameter(torch.tensor(initial_log_var)) for task in sorted(tasks)}
        )

    def log_var(self, task: str) -> Tensor:
        """Return s of `task`, a scalar."""
        return cast(Tensor, self.log_vars[task])

    def log_variances(self) -> dict[str, Tensor]:
        """Return s of each task as it is now, cut from the graph."""
        return {task: self.log_var(task).detach().clone() for task in sorted(self.tasks)}

    @torch.no_grad()
    def clamp_(self) -> None:
        """Bring every s back into its range; call it after every optimiser step."""
        for log_var in self.parameters():
            log_var.clamp_(-self.max_abs_log_var, self.max_abs_log_var)


class UncertaintyWeighting(_LearnedWeighting):
    """total = Σ exp(-s)·L + s. Optimum: exp(s) = L."""

    def factor(self, task: str) -> Tensor:
        """Return exp(-s)."""
        return torch.exp(-self.log_var(task))

    def penalty(self, task: str) -> Tensor:
        """Return s."""
        return self.log_var(task)


class KendallWeighting(_LearnedWeighting):
    """Weigh by the likelihoods of Kendall et al. 2018 ("Multi-Task Learning Using Uncertainty", eq. 10).

    exp(-s)·L + s/2 for classification, optimum exp(s) = 2L; exp(-s)·L/2 + s/2 for regression, optimum
    exp(s) = L. The classification term is the paper's approximation of a softmax with temperature σ².

    Args:
        classification_tasks: Tasks whose loss is a cross-entropy.
        regression_tasks: Tasks whose loss is a squared error.
        initial_log_var: As in the other kinds.
        max_abs_log_var: As in the other kinds.
    """

    def __init__(
        self,
        classification_tasks: Collection[str],
        regression_tasks: Collection[str],
        initial_log_var: float = 0.0,
        max_abs_log_var: float = 10.0,
    ) -> None:
        super().__init__([*classification_tasks, *regression_tasks], initial_log_var, max_abs_log_var)
        self.regression_tasks = frozenset(regression_tasks)

    def factor(self, task: str) -> Tensor:
        """Return exp(-s), halved for regression."""
        precision = torch.exp(-self.log_var(task))
        return precision / 2 if task in self.regression_tasks else precision

    def penalty(self, task: str) -> Tensor:
        """Return s/2."""
        return self.log_var(task) / 2


class RevisedWeighting(_LearnedWeighting):
    """total = Σ exp(-s)·L/2 + ln(1 + exp(s)), never negative (Liebel & Körner 2018, "Auxiliary Tasks").

    Optimum: exp(s) = (L + sqrt(L² + 8L)) / 4.
    """

    def factor(self, task: str) -> Tensor:
        """Return exp(-s)/2."""
        return torch.exp(-self.log_var(task)) / 2

    def penalty(self, task: str) -> Tensor:
        """Return ln(1 + exp(s))."""
        return functional.softplus(self.log_var(task))
