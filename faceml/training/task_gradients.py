"""Gradients of each task: norms and cosines, and the backward pass of weightings that combine them.

Shape letters: K tasks, P parameters.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor, nn

from faceml.losses import TaskWeighting
from faceml.training.workers import mean_over_workers


class TaskGradients(NamedTuple):
    """The Euclidean norm of each task's own gradient, and the cosine between those of every two tasks."""

    norms: dict[str, float]
    cosines: dict[tuple[str, str], float]

    def metrics(self) -> dict[str, float]:
        """Return norms and cosines by the names of metrics; the cosine of only two tasks has none in it."""
        cosines = {f"train/grad_cosine_{one}_{other}": c for (one, other), c in self.cosines.items()}
        if len(cosines) == 1:
            cosines = {"train/grad_cosine": cosines.popitem()[1]}
        return {f"train/grad_norm_{task}": norm for task, norm in self.norms.items()} | cosines


def task_gradients(losses: Mapping[str, Tensor], parameters: Sequence[nn.Parameter]) -> TaskGradients:
    """Return norms and cosines of the tasks' gradients, unweighted, over shared parameters.

    The graph is kept for the training step's backward pass. The norm of a task whose loss is 0, as in a batch
    without targets, is NaN, and so is a cosine if a gradient is zero.

    Args:
        losses: Scalar loss of each task.
        parameters: Shared parameters, such as the backbone's.
    """
    gradients = _gradient_rows(losses.values(), parameters, keep_graph=True)
    norms = torch.linalg.vector_norm(gradients, dim=1)
    cosines = ((gradients @ gradients.T) / torch.outer(norms, norms)).tolist()
    known = torch.stack([loss.detach() != 0 for loss in losses.values()])
    norms = norms.where(known, torch.nan)
    numbered = list(enumerate(losses))
    return TaskGradients(
        dict(zip(losses, norms.tolist(), strict=True)),
        {(a, b): cosines[i][j] for (i, a), (j, b) in combinations(numbered, 2)},
    )


class TaskBackward:
    """Backward pass that accumulates the gradient of each task and combines them.

    Args:
        weighting: Combines the gradients of the shared parameters.
        shared: Parameters of all tasks.
        others: Parameters of one task each, whose gradients are added.
    """

    def __init__(
        self, weighting: TaskWeighting, shared: Sequence[nn.Parameter], others: Sequence[nn.Parameter]
    ) -> None:
        self._weighting = weighting
        self._shared = list(shared)
        self._others = list(others)
        self._gathered: Tensor | None = None

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Add the gradients of a batch's weighted task losses."""
        in_order = [losses[task] for task in self._weighting.tasks]
        gradients = _gradient_rows(in_order, [*self._shared, *self._others])
        self._gathered = gradients if self._gathered is None else self._gathered.add_(gradients)

    def finish(self, loss_scale: Tensor) -> None:
        """Average each task's gradient over the workers, combine them, and set the parameters' gradients.

        Args:
            loss_scale: Factor of the losses and of the gradients that are set, as of `GradScaler`, scalar.
        """
        assert self._gathered is not None, "a step has a batch"
        # In place: on CPUs, new memory for K gradients takes as long as a backward pass.
        gradients = mean_over_workers(self._gathered).div_(loss_scale)
        self._gathered = None
        is_finite = torch.linalg.vector_norm(gradients).isfinite()
        shared, others = gradients.tensor_split([sum(p.numel() for p in self._shared)], dim=1)
        combined = self._weighting.combine_gradients(shared, is_finite)
        _set_gradients(self._shared, combined, loss_scale)
        _set_gradients(self._others, others.sum(dim=0), loss_scale)


def _set_gradients(parameters: Sequence[nn.Parameter], values: Tensor, factor: Tensor) -> None:
    """Set the parameters' gradients to a vector multiplied by a factor."""
    parts = torch.split(values, [parameter.numel() for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        # Fused optimisers need the memory format of the parameter.
        gradient = torch.empty_like(parameter, requires_grad=False)
        parameter.grad = torch.mul(part.view_as(parameter), factor, out=gradient)


def _gradient_rows(
    losses: Collection[Tensor], parameters: Sequence[nn.Parameter], *, keep_graph: bool = False
) -> Tensor:
    """Return the gradient of each loss over all parameters, of shape (K, P)."""
    size = sum(parameter.numel() for parameter in parameters)
    rows = parameters[0].new_empty((len(losses), size))
    for number, (loss, row) in enumerate(zip(losses, rows, strict=True), start=1):
        retained = keep_graph or number < len(losses)
        found = torch.autograd.grad(loss, parameters, retain_graph=retained, materialize_grads=True)
        torch.cat([gradient.reshape(-1) for gradient in found], out=row)
    return rows
