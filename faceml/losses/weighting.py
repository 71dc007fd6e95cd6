"""How the task losses become one total: constants, or weights learned as the uncertainty of each task.

The learned kinds hold s = log σ² of every task, σ² being the task's observation noise: unlike σ², it may take
any value. Left to itself, s goes where the total is lowest for the task's present loss L; each kind states
that optimum.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceml.config.weighting import WeightingConfig


class TaskWeighting(nn.Module, ABC):
    """Form total = Σ factor(task)·L_task + penalty(task) over a set of named tasks.

    Args:
        tasks: Their names.
    """

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


class FixedWeighting(TaskWeighting):
    """Weigh each task by a constant: total = Σ λ·L.

    Args:
        lambdas: λ of each task.
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


def build_weighting(config: WeightingConfig) -> TaskWeighting:
    """Build the weighting of the tasks `expression` (classification) and `landmarks` (regression)."""
    if config.kind == "fixed":
        return FixedWeighting({"expression": config.lambda_expression, "landmarks": config.lambda_landmarks})
    start, limit = config.initial_log_var, config.max_abs_log_var
    if config.kind == "uncertainty_kendall":
        return KendallWeighting(["expression"], ["landmarks"], start, limit)
    weighting = UncertaintyWeighting if config.kind == "uncertainty" else RevisedWeighting
    return weighting(["expression", "landmarks"], start, limit)
