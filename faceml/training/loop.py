"""Training loop: epochs of steps, each followed by an evaluation and a report to an observer."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from faceml.datasets import EpochBatches, FaceAugmentation, FaceSample, ImageMixing
from faceml.errors import StoppedError
from faceml.models import FOR_TRAINING, ModelT, translate_full_memory
from faceml.storage import place_below
from faceml.training.checkpoint import IS_FINAL, MODEL_FILE, STATE_FILE, read_state, write_state
from faceml.training.objective import Objective, ObjectiveOutput
from faceml.training.observer import (
    EpochRecord,
    Evaluated,
    Metrics,
    NonFiniteStep,
    StepRecord,
    TrainingObserver,
)
from faceml.training.optimizer import AveragedWeights, apply_schedule
from faceml.training.options import TrainerOptions
from faceml.training.step import TrainingStep
from faceml.training.workers import epoch_seed, mean_over_workers, share_buffers, world_size


class Trainer(Generic[ModelT]):
    """Train an objective in one process, or as one of several workers that average their gradients.

    Every epoch seeds the random numbers with the training's seed, the worker and the epoch, so that a resumed
    training gives the same result as an uninterrupted one.

    Args:
        objective: The objective on its device.
        optimizer: Optimiser over the objective's parameters.
        schedule: Learning-rate schedule, stepped once per update.
        train_batches: Batches of this worker.
        image_ids: Names of the training images, by position in the data set.
        augmentation: Augmentation of batches on the objective's device.
        evaluate: Evaluates a network on the validation split.
        model_checkpoint: Returns the content of the model file, given the network and the epoch's metrics.
        options: Further options.
        mixing: Mixing of augmented images with others of their batch; None for none.
    """

    def __init__(
        self,
        objective: Objective[ModelT],
        optimizer: Optimizer,
        schedule: LambdaLR,
        train_batches: EpochBatches,
        image_ids: Sequence[str],
        augmentation: FaceAugmentation,
        evaluate: Callable[[ModelT], Evaluated],
        model_checkpoint: Callable[[ModelT, Metrics], dict[str, Any]],
        options: TrainerOptions,
        mixing: ImageMixing | None = None,
    ) -> None:
        self.objective = objective
        module: nn.Module = DistributedDataParallel(objective) if world_size() > 1 else objective
        self._step = TrainingStep(module, objective, optimizer, options.precision, options.max_grad_norm)
        self.optimizer = optimizer
        self._schedule = schedule
        self.train_batches = train_batches
        self._image_ids = image_ids
        self._augmentation = augmentation
        self._mixing = mixing
        self._evaluate = evaluate
        self._model_checkpoint = model_checkpoint
        self._options = options
        self._average = AveragedWeights(objective.model, options.ema_decay) if options.ema_decay else None
        self._device = next(objective.parameters()).device
        self._epochs_done = self._best_epoch = 0
        self._best_score = math.nan
        self._step_metrics = ("train/loss", *(f"train/loss_{t}" for t in objective.tasks), "train/grad_norm")

    @property
    def model(self) -> ModelT:
        """The network that is evaluated and saved: the trained one, or its moving average."""
        return self._average.model if self._average else self.objective.model

    @property
    def epochs_done(self) -> int:
        """Number of epochs done, including those before a resume."""
        return self._epochs_done

    @property
    def has_stopped_early(self) -> bool:
        """True if the metric that selects epochs has not improved for `patience_epochs`."""
        patience = self._options.patience_epochs
        return patience is not None and self._epochs_done - self._best_epoch >= patience

    @translate_full_memory(FOR_TRAINING)
    def fit(self, epochs: int, observer: TrainingObserver) -> None:
        """Train up to epoch `epochs`, including those before a resume, or until it stops early.

        Raises:
            StoppedError: A gradient is not finite, or the GPU or the machine is out of memory.
        """
        while self._epochs_done < epochs and not self.has_stopped_early:
            epoch = self._epochs_done + 1
            metrics = self._train_epoch(epoch, epochs, observer)
            share_buffers(self.objective)
            if self._average:
                share_buffers(self.model)
            prefix, (found, arrays) = self._options.metric_prefix, self._evaluate(self.model)
            metrics |= {f"{prefix}/{name}": value for name, value in found.items()}
            self._epochs_done = epoch
            if self._is_best(found[self._options.selected_by]):
                self._best_epoch, self._best_score = epoch, found[self._options.selected_by]
            named = {f"{prefix}/{name}": values for name, values in arrays.items()}
            observer.on_epoch(EpochRecord(epoch, metrics, named, partial(self.save, metrics)))

    def _is_best(self, score: float) -> bool:
        """Return whether a score is better than all before; one without a value never is."""
        if math.isnan(self._best_score):
            return not math.isnan(score)
        return score < self._best_score if self._options.is_minimised else score > self._best_score

    def save(self, metrics: Metrics, folder: Path) -> None:
        """Write the state for `resume` and the trained model into a folder."""
        state = {
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "scaler": self._step.scaler.state_dict(),
            "average": self._average.state_dict() if self._average else None,
            "epochs_done": self._epochs_done,
            "best_epoch": self._best_epoch,
            "best_score": self._best_score,
        }
        write_state(state, folder / STATE_FILE)
        self.save_model(metrics, folder / MODEL_FILE)

    def save_model(self, metrics: Metrics, path: Path, *, is_final: bool = False) -> None:
        """Write the trained model into a file; `is_final` states that its epoch was not selected."""
        more = {IS_FINAL: True} if is_final else {}
        write_state(self._model_checkpoint(self.model, metrics) | more, path)

    def resume(self, folder: str | Path) -> None:
        """Restore the state that `save` wrote into a folder, given by its path or URI."""
        state = read_state(place_below(folder, STATE_FILE), self._device)
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        apply_schedule(self._schedule)
        self._step.scaler.load_state_dict(state["scaler"])
        if self._average:
            self._average.load_state_dict(state["average"])
        self._epochs_done = state["epochs_done"]
        # Checkpoints had `best_accuracy` when there was no other metric that selects epochs.
        self._best_epoch = state["best_epoch"]
        self._best_score = state["best_score"] if "best_score" in state else state["best_accuracy"]

    def _train_epoch(self, epoch: int, epochs: int, observer: TrainingObserver) -> Metrics:
        self.objective.train()
        self.objective.on_epoch_start(epoch)
        if epoch <= self._options.freeze_backbone_epochs:
            self.objective.model.backbone.eval()  # freezes the statistics of batch norms too
        torch.manual_seed(epoch_seed(self._options.seed, epoch))
        self.train_batches.set_epoch(epoch)
        accumulate = self._options.accumulate_batches
        steps, started_s = len(self.train_batches) // accumulate, time.perf_counter()
        # Of the metrics multiplied by their number of targets, and of these numbers.
        sums = torch.zeros(2, len(self._step_metrics), device=self._device)
        diagnostics: list[Metrics] = []
        unchecked: list[_UncheckedStep] = []
        skipped = faces = 0

        def diagnose(output: ObjectiveOutput) -> None:
            diagnostics.append(self.objective.compute_diagnostics(output))

        for step, batches in enumerate(_groups(self.train_batches, accumulate)):
            is_diagnosed = step % self._options.gradient_norms_every_steps == 0
            learning_rate = float(self.optimizer.param_groups[0]["lr"])
            result = self._step(
                [self._augmented(batch) for batch in batches], diagnose if is_diagnosed else None
            )
            self._schedule.step()
            self.objective.weighting.clamp_()
            if self._average:
                self._average.update()
            faces += sum(len(batch.position) for batch in batches)
            values = torch.cat([result.losses, result.grad_norm.reshape(1)])
            one = torch.ones_like(values[:1])
            counts = torch.cat([one, result.counts, one])
            sums += torch.where(result.is_done, torch.stack([values * counts, counts]), 0.0)
            positions = [batch.position for batch in batches]
            unchecked.append(_UncheckedStep(step + 1, positions, values, result.is_nonfinite))
            if step % self._options.log_every_steps == 0:
                skipped += self._report_nonfinite(observer, epoch, unchecked)
                unchecked, metrics = [], self._named(mean_over_workers(values))
                if np.isfinite(metrics["train/grad_norm"]):
                    steps_done = (epoch - 1) * steps + step + 1
                    observer.on_step(StepRecord(epoch, steps_done, epochs * steps, metrics))
        skipped += self._report_nonfinite(observer, epoch, unchecked)
        if not sums[1, 0]:
            raise StoppedError(f"No step of epoch {epoch} had a finite gradient. {REMEDY}")
        means = self._named(mean_over_workers(sums[0] / sums[1].clamp_min(torch.finfo(sums.dtype).tiny)))
        seconds = time.perf_counter() - started_s
        weighting = self.objective.weighting
        figures = {
            **means,
            **{name: float(value) for name, value in self.objective.epoch_metrics().items()},
            **_means_of_finite(diagnostics, self._device),
            **{f"train/log_var_{t}": float(s) for t, s in weighting.log_variances().items()},
            **{f"train/weight_{t}": w for t, w in weighting.effective_weights().items()},
            "train/learning_rate": learning_rate,
            "train/images_per_second": faces * world_size() / seconds,
            "train/nonfinite_steps": float(skipped),
        }
        weighting.after_epoch({task: means[f"train/loss_{task}"] for task in weighting.tasks})
        return figures

    def _augmented(self, batch: FaceSample) -> FaceSample:
        """Return an augmented batch on the device."""
        faces = batch.to(self._device)
        image, moves = self._augmentation(faces.image)
        targets = self.objective.move_targets(faces.targets, moves)
        if self._mixing is not None:
            image, mix = self._mixing(image)
            targets = self.objective.mix_targets(targets, mix)
        return faces._replace(image=image, targets=targets)

    def _report_nonfinite(
        self, observer: TrainingObserver, epoch: int, unchecked: Sequence["_UncheckedStep"]
    ) -> int:
        """Report steps with a non-finite gradient, in all workers at the same moment.

        Returns:
            The number of such steps.

        Raises:
            StoppedError: There is such a step, and the training is to stop.
        """
        flags = torch.stack([step.is_nonfinite for step in unchecked]).tolist() if unchecked else []
        found = [step for step, is_nonfinite in zip(unchecked, flags, strict=True) if is_nonfinite]
        for step in found:
            images = [self._image_ids[position] for batch in step.positions for position in batch.tolist()]
            metrics = self._named(step.values)
            observer.on_nonfinite_step(NonFiniteStep(epoch, step.number, images, metrics))
            if self._options.on_nonfinite == "stop":
                losses = ", ".join(
                    f"{task} {metrics[f'train/loss_{task}']:.3g}" for task in self.objective.tasks
                )
                raise StoppedError(
                    f"A gradient is not finite in epoch {epoch}, step {step.number}. Losses: {losses}. "
                    f"{REMEDY} training.on_nonfinite: skip leaves such steps out."
                )
        return len(found)

    def _named(self, values: Tensor) -> Metrics:
        """Return a step's metrics by name: the total, each task's loss, the norm of the gradient."""
        return dict(zip(self._step_metrics, values.tolist(), strict=True))


class _UncheckedStep(NamedTuple):
    """Number of a step in the epoch, positions of its faces, and tensors of its result on the device."""

    number: int
    positions: list[Tensor]
    values: Tensor
    is_nonfinite: Tensor


REMEDY = "Lower optimizer.learning_rate, lengthen training.warmup_epochs or set training.max_grad_norm."


def _means_of_finite(found: Sequence[Metrics], device: torch.device) -> Metrics:
    """Return the mean of each metric's finite values in all workers; a cosine is NaN without any target."""
    rows = [list(metrics.values()) for metrics in found]
    values = torch.tensor(rows, dtype=torch.float64, device=device)
    finite = torch.isfinite(values)
    sums, counts = mean_over_workers(torch.stack([values.where(finite, 0.0).sum(0), finite.sum(0)]))
    return dict(zip(found[0], (sums / counts).tolist(), strict=True))


def _groups(batches: Iterable[FaceSample], size: int) -> Iterator[list[FaceSample]]:
    """Yield lists of `size` batches; an incomplete last one is dropped."""
    group = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
