"""The training loop: epochs of steps and an evaluation after each, told to an observer."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, DistributedSampler

from faceml.datasets.face_dataset import FaceSample
from faceml.training.checkpoint import MODEL_FILE, STATE_FILE, read_state, write_state
from faceml.training.objective import MultitaskObjective, ObjectiveOutput, task_gradient_norms
from faceml.training.observer import EpochRecord, Metrics, StepRecord, TrainingObserver


class Trainer:
    """Train an objective, alone or as one of several workers that average their gradients.

    Every epoch starts its random numbers from seed, worker and epoch, so that a resumed training goes on as
    the uninterrupted one would have.

    Args:
        objective: On its device.
        optimizer: Over the objective's parameters.
        schedule: Stepped once a batch.
        train_faces: Batches of this worker; the sampler is told the epoch.
        evaluate: Returns the metrics of the validation split, without the prefix `val/`.
        model_checkpoint: Returns the content of the model file, given the epoch's metrics.
        log_every_steps: Steps between two looks at losses and gradient norms.
        seed: Of the whole training.
    """

    def __init__(
        self,
        objective: MultitaskObjective,
        optimizer: Optimizer,
        schedule: LRScheduler,
        train_faces: DataLoader[FaceSample],
        evaluate: Callable[[], Metrics],
        model_checkpoint: Callable[[Metrics], dict[str, Any]],
        log_every_steps: int,
        seed: int,
    ) -> None:
        self.objective = objective
        self._module: nn.Module = DistributedDataParallel(objective) if world_size() > 1 else objective
        self._optimizer = optimizer
        self._schedule = schedule
        self._train_faces = train_faces
        self._evaluate = evaluate
        self._model_checkpoint = model_checkpoint
        self._log_every_steps = log_every_steps
        self._seed = seed
        self._device = next(objective.parameters()).device
        self._epochs_done = 0

    def fit(self, epochs: int, observer: TrainingObserver) -> None:
        """Train until `epochs` are done in all, those before a resume included."""
        while self._epochs_done < epochs:
            epoch = self._epochs_done + 1
            metrics = self._train_epoch(epoch, epochs, observer)
            share_buffers(self.objective)
            metrics |= {f"val/{name}": value for name, value in self._evaluate().items()}
            self._epochs_done = epoch
            observer.on_epoch(EpochRecord(epoch, metrics, partial(self.save, metrics)))

    def save(self, metrics: Metrics, folder: Path) -> None:
        """Write the state to resume from and the model to use into a folder."""
        state = {
            "objective": self.objective.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "epochs_done": self._epochs_done,
        }
        write_state(state, folder / STATE_FILE)
        write_state(self._model_checkpoint(metrics), folder / MODEL_FILE)

    def resume(self, folder: Path) -> None:
        """Go back to the moment at which `save` wrote into a folder."""
        state = read_state(folder / STATE_FILE, self._device)
        self.objective.load_state_dict(state["objective"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._epochs_done = state["epochs_done"]

    def _train_epoch(self, epoch: int, epochs: int, observer: TrainingObserver) -> Metrics:
        self._module.train()
        torch.manual_seed(epoch_seed(self._seed, epoch))
        if isinstance(self._train_faces.sampler, DistributedSampler):
            self._train_faces.sampler.set_epoch(epoch)
        steps, started_s = len(self._train_faces), time.perf_counter()
        loss_sums, looks = torch.zeros(3, device=self._device), []
        for step, batch in enumerate(self._train_faces):
            faces = batch.to(self._device)
            output: ObjectiveOutput = self._module(faces)
            looking = step % self._log_every_steps == 0
            if looking:
                looks.append(self._gradient_norms(output))
            self._optimizer.zero_grad(set_to_none=True)
            output.total.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            learning_rate = float(self._optimizer.param_groups[0]["lr"])
            self._schedule.step()
            self.objective.weighting.clamp_()
            losses = torch.stack([output.total, *output.losses.values()]).detach()
            loss_sums += losses
            if looking:
                record = self._named_losses(losses, output)
                _require_finite(record, epoch, step)
                done = (epoch - 1) * steps + step + 1
                observer.on_step(StepRecord(epoch, done, epochs * steps, record))
        means = self._named_losses(mean_over_workers(loss_sums / steps), output)
        _require_finite(means, epoch, steps - 1)
        seconds = time.perf_counter() - started_s
        return {
            **means,
            **{name: float(np.mean([look[name] for look in looks])) for name in looks[0]},
            **{f"train/log_var_{t}": float(s) for t, s in self.objective.weighting.log_variances().items()},
            **{f"train/weight_{t}": w for t, w in self.objective.weighting.effective_weights().items()},
            "train/learning_rate": learning_rate,
            "train/images_per_second": steps * len(faces.label) * world_size() / seconds,
        }

    def _gradient_norms(self, output: ObjectiveOutput) -> Metrics:
        shared = [p for p in self.objective.model.backbone.parameters() if p.requires_grad]
        norms = task_gradient_norms(output.losses, shared)
        return {f"train/grad_norm_{task}": norm for task, norm in norms.items()}

    @staticmethod
    def _named_losses(values: Tensor, output: ObjectiveOutput) -> Metrics:
        names = ["train/loss", *(f"train/loss_{task}" for task in output.losses)]
        return dict(zip(names, values.tolist(), strict=True))


def world_size() -> int:
    """Return the number of workers that train together; 1 without a process group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def epoch_seed(seed: int, epoch: int) -> int:
    """Mix the training's seed, this worker's rank and the epoch into one seed."""
    rank = dist.get_rank() if dist.is_initialized() else 0
    return int(np.random.SeedSequence([seed, rank, epoch]).generate_state(1)[0])


def share_buffers(module: nn.Module) -> None:
    """Give all workers rank 0's buffers: batch norms have seen other faces on each since the last step.

    Without it every worker would evaluate a slightly different network, none of them the one that is saved.
    """
    for buffer in module.buffers() if world_size() > 1 else ():
        dist.broadcast(buffer, src=0)


def mean_over_workers(values: Tensor) -> Tensor:
    """Return the mean of a tensor over all workers."""
    if world_size() > 1:
        dist.all_reduce(values)
    return values / world_size()


def _require_finite(losses: Metrics, epoch: int, step: int) -> None:
    broken = [name for name, value in losses.items() if not np.isfinite(value)]
    if broken:
        raise FloatingPointError(
            f"{', '.join(broken)} is not finite in epoch {epoch}, step {step}. "
            "Lower optimizer.learning_rate, or lengthen training.warmup_epochs."
        )
