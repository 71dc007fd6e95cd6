"""Projection of conflicting task gradients (PCGrad).

Shape letters: K tasks, P parameters.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from faceml.training.workers import flattened, mean_over_workers, world_size

Gradients = list[Tensor]
"""The gradient of each of P parameters, in its shape."""


def project_conflicts(gradients: Sequence[Gradients]) -> list[Gradients]:
    """Remove from each task's gradient the components that conflict with other tasks' gradients.

    Where g_i·g_j < 0, g_i becomes g_i - (g_i·g_j / |g_j|²)·g_j, where g_j is the other task's original
    gradient (Yu et al. 2020, Algorithm 1). The order of the other tasks, random in the paper, makes no
    difference with two tasks.

    Args:
        gradients: Gradients of K tasks over the same P parameters.
    """
    projected = []
    for own, gradient in enumerate(gradients):
        current = gradient
        for other in (g for number, g in enumerate(gradients) if number != own):
            product, length = _dot(current, other), _dot(other, other)
            share = torch.where(product < 0, product / length, 0.0)
            current = [part - share * against for part, against in zip(current, other, strict=True)]
        projected.append(current)
    return projected


class ConflictFreeBackward:
    """Backward pass that accumulates a gradient per task and sums them after projection.

    Args:
        shared: Parameters of all tasks; only their gradients are projected.
        others: Parameters of one task each.
    """

    def __init__(self, shared: Sequence[nn.Parameter], others: Sequence[nn.Parameter]) -> None:
        self._parameters = [*shared, *others]
        self._num_shared = len(shared)
        self._gathered: dict[str, Gradients] = {}

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Add the gradients of a batch's weighted task losses."""
        last = list(losses)[-1]
        for task, loss in losses.items():
            found = torch.autograd.grad(
                loss, self._parameters, retain_graph=task != last, materialize_grads=True
            )
            so_far = self._gathered.get(task)
            self._gathered[task] = (
                list(found) if so_far is None else [a + b for a, b in zip(so_far, found, strict=True)]
            )

    def finish(self) -> None:
        """Average each task's gradient over the workers, project, and set the parameters' gradients."""
        for gradients in self._gathered.values() if world_size() > 1 else ():
            means = torch.split(mean_over_workers(flattened(gradients)), [g.numel() for g in gradients])
            for gradient, mean in zip(gradients, means, strict=True):
                gradient.copy_(mean.view(gradient.shape))
        tasks = list(self._gathered.values())
        projected = project_conflicts([gradients[: self._num_shared] for gradients in tasks])
        whole = [[*shared, *own[self._num_shared :]] for shared, own in zip(projected, tasks, strict=True)]
        for parameter, *gradients in zip(self._parameters, *whole, strict=True):
            parameter.grad = torch.stack(gradients).sum(dim=0)
        self._gathered = {}


def _dot(one: Gradients, other: Gradients) -> Tensor:
    return torch.stack([(a * b).sum() for a, b in zip(one, other, strict=True)]).sum()
