"""One update of the parameters from one or several batches."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from faceml.datasets import FaceSample
from faceml.training.conflicts import ConflictFreeBackward
from faceml.training.objective import (
    Objective,
    ObjectiveOutput,
    rows_per_worker,
    shared_losses,
)

Precision = Literal["fp32", "bf16", "fp16"]
AUTOCAST_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class StepResult:
    """What an update was made of, on the device: a GPU may still be at work on it.

    Attributes:
        losses: float32 of shape (1 + tasks,): the total, then each task's loss, means over the batches.
        grad_norm: Scalar, the Euclidean norm of the whole gradient before clipping.
        is_done: Scalar, whether the parameters were changed; not if the norm is not finite.
        is_broken: Scalar, whether that is for another reason than too large a scale of the loss.
        output: Of the last batch.
    """

    losses: Tensor
    grad_norm: Tensor
    is_done: Tensor
    is_broken: Tensor
    output: ObjectiveOutput


class TrainingStep:
    """Accumulate gradients, clip them, and let the optimiser go a step.

    The mean over the batches is that of one large batch: batches are equally large, and squared errors of
    landmarks are divided by the number of faces that have any in all of them.

    Args:
        module: The objective, wrapped for several workers or not.
        objective: The same, unwrapped.
        optimizer: Over its parameters, a fused one.
        precision: Of forward and backward pass; parameters, losses and updates stay in float32. fp16 scales
            the loss and needs a GPU (Micikevicius et al. 2018, "Mixed precision training").
        max_grad_norm: A longer gradient is scaled down to this length; None leaves it.
    """

    def __init__(
        self,
        module: nn.Module,
        objective: Objective[Any],
        optimizer: Optimizer,
        precision: Precision = "fp32",
        max_grad_norm: float | None = None,
    ) -> None:
        self._module = module
        self._objective = objective
        self._optimizer = optimizer
        self._device = next(objective.parameters()).device
        self._dtype = AUTOCAST_DTYPES.get(precision)
        self._max_grad_norm = max_grad_norm
        shared = [p for p in objective.model.backbone.parameters() if p.requires_grad]
        of_backbone = {id(p) for p in shared}
        others = [p for p in objective.parameters() if p.requires_grad and id(p) not in of_backbone]
        self._conflict_free = (
            ConflictFreeBackward(shared, others) if objective.weighting.projects_conflicts else None
        )
        self.scaler = torch.amp.GradScaler(self._device.type, enabled=precision == "fp16")

    def __call__(
        self, batches: Sequence[FaceSample], look: Callable[[ObjectiveOutput], None] | None = None
    ) -> StepResult:
        """Update the parameters from batches on the device, unless the gradient is not finite.

        Nothing here waits for a GPU, but for a weighting that needs losses after the step.

        Args:
            batches: Equally large.
            look: Sees the last batch's output before its graph is gone.
        """
        weighting = self._objective.weighting
        weighting.before_step()
        self._optimizer.zero_grad(set_to_none=True)
        rows = rows_per_worker(torch.stack([batch.has_landmarks.sum() for batch in batches])) / len(batches)
        losses = torch.zeros((), device=self._device)
        for number, batch in enumerate(batches):
            is_last = number == len(batches) - 1
            with self._exchange_of_gradients(is_last):
                output = self.forward(batch, rows)
                if look is not None and is_last:
                    look(output)
                self._backward(output, len(batches))
            losses = losses + torch.stack([output.total, *output.losses.values()]).detach() / len(batches)
        if self._conflict_free:
            self._conflict_free.finish()
        self.scaler.unscale_(self._optimizer)
        norm = self._gradient_norm()
        is_done = torch.isfinite(norm)
        self._update(is_done)
        if weighting.needs_losses and is_done:
            weighting.after_step(self._losses_again(batches[-1], rows))
        is_overflow = torch.isfinite(losses).all() & self.scaler.is_enabled()
        return StepResult(losses, norm, is_done, ~is_done & ~is_overflow, output)

    def _update(self, is_finite: Tensor) -> None:
        """Let the optimiser go a step, unless the gradient is not finite."""
        if self.scaler.is_enabled():  # looks for itself, and scales less from then on
            self.scaler.step(self._optimizer)
            self.scaler.update()
            return
        # As a scaler tells it: a fused optimiser leaves the step out where the parameters are. To ask here
        # would wait for a GPU, which then waits for the next batch.
        self._optimizer.found_inf = (~is_finite).float()  # type: ignore[attr-defined]
        self._optimizer.step()

    def _backward(self, output: ObjectiveOutput, num_batches: int) -> None:
        """Add the gradients of one of so many batches."""
        if self._conflict_free is None:
            self.scaler.scale(output.total / num_batches).backward()  # type: ignore[no-untyped-call]
            return
        weighting = self._objective.weighting
        self._conflict_free.add(
            {
                task: self.scaler.scale(weighting.factor(task) * loss / num_batches)
                for task, loss in output.losses.items()
            }
        )

    @torch.no_grad()
    def _losses_again(self, batch: FaceSample, rows: Tensor) -> dict[str, Tensor]:
        """Return the losses of a batch as they are now, means over all workers."""
        with self._autocast():
            output: ObjectiveOutput = self._objective(batch, rows)
        return shared_losses(output.losses)

    def _gradient_norm(self) -> Tensor:
        """Return the gradient's norm; clip the gradient if it is too long."""
        parameters = [p for p in self._objective.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if self._max_grad_norm is not None:
            nn.utils.clip_grads_with_norm_(parameters, self._max_grad_norm, norm)
        return norm

    def forward(self, batch: FaceSample, landmark_rows: Tensor | None = None) -> ObjectiveOutput:
        """Return the losses of a batch in this precision."""
        with self._autocast():
            output: ObjectiveOutput = self._module(batch, landmark_rows)
        return output

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not None)

    def _exchange_of_gradients(self, is_last: bool) -> AbstractContextManager[None]:
        """Let workers exchange gradients at the last batch only, and not at all where each task's are."""
        by_hand = not is_last or self._conflict_free is not None
        if isinstance(self._module, DistributedDataParallel) and by_hand:
            return self._module.no_sync()
        return nullcontext()
