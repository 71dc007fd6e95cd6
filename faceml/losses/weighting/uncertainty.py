"""Task weights learned as homoscedastic uncertainty.

Kendall et al. 2018, "Multi-task learning using uncertainty to weigh losses for scene geometry and semantics".

All variants learn s = log σ² of every task, σ² being its observation noise; s is unconstrained. Each variant
states the optimum of s for a constant loss L.
"""

from collections.abc import Collection
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceml.losses.weighting.base import TaskWeighting


class _LearnedWeighting(TaskWeighting):
    """Base of weightings with one learned log-variance for each task.

    Args:
        tasks: Names of the tasks.
        initial_log_var: Initial value of every s.
        max_abs_log_var: Bound of |s|. `clamp_` projects the parameter after the step; clamping in `forward`
            would have a zero gradient outside the range, from which s could not return.
    """

    def __init__(
        self, tasks: Collection[str], initial_log_var: float = 0.0, max_abs_log_var: float = 2.0
    ) -> None:
        super().__init__(tasks)
        self.max_abs_log_var = max_abs_log_var
        self.log_vars = nn.ParameterDict(
            {_key(task): nn.Parameter(torch.tensor(initial_log_var)) for task in self.tasks}
        )

    def log_var(self, task: str) -> Tensor:
        """Return s of `task`, a scalar."""
        return cast(Tensor, self.log_vars[_key(task)])

    def log_variances(self) -> dict[str, Tensor]:
        """Return the present s of each task, detached."""
        return {task: self.log_var(task).detach().clone() for task in self.tasks}

    @torch.no_grad()
    def clamp_(self) -> None:
        """Clamp every s to its range; called after every optimiser step."""
        for log_var in self.parameters():
            log_var.clamp_(-self.max_abs_log_var, self.max_abs_log_var)


def _key(task: str) -> str:
    """Return the name of a task's parameter; `ParameterDict` refuses the names of its methods."""
    return f"{task}_" if hasattr(nn.ParameterDict, task) else task


class UncertaintyWeighting(_LearnedWeighting):
    """Uncertainty weighting without factors 1/2: total = Σ exp(-s)·L + s. Optimum: exp(s) = L.

    Twice the total of Kendall et al. 2018, eq. 7, whose form for regression is used for all tasks.
    """

    def factor(self, task: str) -> Tensor:
        """Return exp(-s)."""
        return torch.exp(-self.log_var(task))

    def penalty(self, task: str) -> Tensor:
        """Return s."""
        return self.log_var(task)


class KendallWeighting(_LearnedWeighting):
    """Uncertainty weighting by likelihoods (Kendall et al. 2018, eq. 10).

    exp(-s)·L + s/2 for classification, optimum exp(s) = 2L; exp(-s)·L/2 + s/2 for regression, optimum
    exp(s) = L. The classification term is the paper's approximation of a softmax with temperature σ².

    Args:
        classification_tasks: Tasks whose loss is a cross-entropy.
        regression_tasks: Tasks whose loss is a squared error.
        initial_log_var: Initial value of every s.
        max_abs_log_var: Bound of |s|.
    """

    def __init__(
        self,
        classification_tasks: Collection[str],
        regression_tasks: Collection[str],
        initial_log_var: float = 0.0,
        max_abs_log_var: float = 2.0,
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
    """Uncertainty weighting with a non-negative penalty: total = Σ exp(-s)·L/2 + ln(1 + exp(s)).

    Liebel & Körner 2018, "Auxiliary tasks in multi-task learning". Optimum: exp(s) = (L + sqrt(L² + 8L)) / 4.
    """

    def factor(self, task: str) -> Tensor:
        """Return exp(-s)/2."""
        return torch.exp(-self.log_var(task)) / 2

    def penalty(self, task: str) -> Tensor:
        """Return ln(1 + exp(s))."""
        return functional.softplus(self.log_var(task))
