"""Training step: one update of the parameters from one or several batches."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from faceml.datasets import FaceSample
from faceml.training.objective import (
    Objective,
    ObjectiveOutput,
    TargetCounts,
    shared_losses,
)
from faceml.training.precision import AUTOCAST_DTYPES, Precision
from faceml.training.task_gradients import TaskBackward
from faceml.training.workers import flattened, mean_over_workers


@dataclass(frozen=True)
class StepResult:
    """Results of a step as tensors on the device, which a GPU may still be computing.

    `grad_norm`, `is_done` and `is_nonfinite` are the same in all workers.

    Attributes:
        losses: The total, then each task's loss, means over the batches, float32 of shape (1 + tasks,).
        counts: Number of each task's targets, means over batches and workers, of shape (tasks,); ones if all
            targets are known.
        grad_norm: Euclidean norm of the gradient before clipping, scalar.
        is_done: True if the parameters were updated, which needs a finite norm, scalar.
        is_nonfinite: True if the gradient is not finite, except for overflows of fp16's loss scale, scalar.
        output: Output of the last batch.
    """

    losses: Tensor
    counts: Tensor
    grad_norm: Tensor
    is_done: Tensor
    is_nonfinite: Tensor
    output: ObjectiveOutput


class TrainingStep:
    """Accumulate gradients of several batches, clip them and update the parameters.

    The gradient equals that of one large batch: all batches have the same size, and each task's losses are
    divided by the number of its targets in all batches.

    Args:
        module: The objective, wrapped in DDP if there are several workers.
        objective: The objective itself.
        optimizer: A fused optimiser over the objective's parameters.
        precision: Precision of forward and backward pass; parameters, losses and updates stay in float32.
            fp16 uses loss scaling and needs a GPU (Micikevicius et al. 2018, "Mixed precision training").
        max_grad_norm: Largest norm of the gradient, above which it is clipped; None never clips.
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
        of_weighting = {id(b) for b in objective.weighting.buffers()}  # has its own rules for such steps
        self._statistics = [
            b for b in objective.buffers() if b.is_floating_point() and id(b) not in of_weighting
        ]
        shared = [p for p in objective.model.backbone.parameters() if p.requires_grad]
        of_backbone = {id(p) for p in shared}
        others = [p for p in objective.parameters() if p.requires_grad and id(p) not in of_backbone]
        weighting = objective.weighting
        self._by_task = TaskBackward(weighting, shared, others) if weighting.combines_gradients else None
        self.scaler = torch.amp.GradScaler(self._device.type, enabled=precision == "fp16")

    def __call__(
        self, batches: Sequence[FaceSample], on_output: Callable[[ObjectiveOutput], None] | None = None
    ) -> StepResult:
        """Update the parameters from batches on the device, unless the gradient is not finite.

        Without an update, the statistics of batch norms and of AdaFace keep their values too. The step does
        not synchronise with a GPU, except for weightings that need losses after the update.

        Args:
            batches: Batches of the same size.
            on_output: Called with the last batch's output before its graph is freed.
        """
        weighting = self._objective.weighting
        weighting.before_step()
        self._optimizer.zero_grad(set_to_none=True)
        counts = self._objective.count_targets(batches)
        statistics = flattened(self._statistics)
        losses = torch.zeros((), device=self._device)
        for number, batch in enumerate(batches):
            is_last = number == len(batches) - 1
            with self._exchange_of_gradients(is_last):
                output = self.forward(batch, counts)
                if on_output is not None and is_last:
                    on_output(output)
                self._backward(output, len(batches))
            losses = losses + torch.stack([output.total, *output.losses.values()]).detach() / len(batches)
        if self._by_task:
            self._by_task.finish(self.scaler.scale(torch.ones((), device=self._device)))
        self.scaler.unscale_(self._optimizer)
        norm = self._gradient_norm()
        is_done = torch.isfinite(norm)
        self._update(is_done)
        self._restore_statistics(statistics, ~is_done)
        if weighting.needs_losses_again and is_done:
            weighting.after_step(self._losses_again(batches[-1], counts))
        found = (
            torch.stack([counts[task] for task in output.losses]) if counts else torch.ones_like(losses[1:])
        )
        return StepResult(losses, found, norm, is_done, ~is_done & ~self._is_overflow(losses), output)

    def _is_overflow(self, losses: Tensor) -> Tensor:
        """Return whether fp16's loss scale is the cause of a non-finite gradient, as far as losses show.

        The mean over the workers is finite only if the losses of each are, so that all workers agree.
        """
        shared = mean_over_workers(losses) if self.scaler.is_enabled() else losses
        return torch.isfinite(shared).all() & self.scaler.is_enabled()

    def _restore_statistics(self, before: Tensor, is_restored: Tensor) -> None:
        """Set the statistics to earlier values if `is_restored`, without synchronising with a GPU.

        A NaN of the forward pass would never leave these moving averages.
        """
        kept = torch.where(is_restored, before, flattened(self._statistics))
        sizes = [statistic.numel() for statistic in self._statistics]
        for statistic, values in zip(self._statistics, torch.split(kept, sizes), strict=True):
            statistic.copy_(values.view_as(statistic))

    def _update(self, is_finite: Tensor) -> None:
        """Update the parameters, unless the gradient is not finite."""
        if self.scaler.is_enabled():  # checks the gradient itself, and lowers its scale after an overflow
            self.scaler.step(self._optimizer)
            self.scaler.update()
            return
        # A fused optimiser checks this flag, which scalers set, on the device. A check on the CPU would
        # synchronise with the GPU, which would then wait for the next batch.
        self._optimizer.found_inf = (~is_finite).float()  # type: ignore[attr-defined]
        self._optimizer.step()

    def _backward(self, output: ObjectiveOutput, num_batches: int) -> None:
        """Accumulate the gradient of one of `num_batches` batches."""
        if self._by_task is None:
            self.scaler.scale(output.total / num_batches).backward()  # type: ignore[no-untyped-call]
            return
        weighting = self._objective.weighting
        self._by_task.add(
            {
                task: self.scaler.scale(weighting.factor(task) * loss / num_batches)
                for task, loss in output.losses.items()
            }
        )

    @torch.no_grad()
    def _losses_again(self, batch: FaceSample, counts: TargetCounts) -> dict[str, Tensor]:
        """Return the losses of a batch after the update, means over all workers."""
        with self._autocast():
            output: ObjectiveOutput = self._objective(batch, counts)
        return shared_losses(output.losses)

    def _gradient_norm(self) -> Tensor:
        """Return the gradient's norm, and clip the gradient."""
        parameters = [p for p in self._objective.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if self._max_grad_norm is not None:
            nn.utils.clip_grads_with_norm_(parameters, self._max_grad_norm, norm)
        return norm

    def forward(self, batch: FaceSample, counts: TargetCounts | None = None) -> ObjectiveOutput:
        """Return the objective's output for a batch, computed in the step's precision."""
        with self._autocast():
            output: ObjectiveOutput = self._module(batch, counts)
        return output

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not None)

    def _exchange_of_gradients(self, is_last: bool) -> AbstractContextManager[None]:
        """Return a context in which workers average gradients only after the last batch.

        Weightings that combine gradients average that of each task instead.
        """
        by_hand = not is_last or self._by_task is not None
        if isinstance(self._module, DistributedDataParallel) and by_hand:
            return self._module.no_sync()
        return nullcontext()
