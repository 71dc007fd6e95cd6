"""Weights that stay what they are."""

from collections.abc import Mapping

from faceml.losses.weighting.base import TaskWeighting


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


class ConflictFreeWeighting(FixedWeighting):
    """As `FixedWeighting`, its tasks' gradients freed of conflicts (Yu et al. 2020, "Gradient surgery").

    The training step does that; see `faceml.training.conflicts`.
    """

    projects_conflicts = True
