"""The training loop: epochs of steps and an evaluation after each, told to an observer."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from faceml.datasets import EpochBatches, FaceAugmentation, FaceSample
from faceml.errors import StoppedError
from faceml.models import ModelT
from faceml.storage import place_below
from faceml.training.checkpoint import MODEL_FILE, STATE_FILE, read_state, write_state
from faceml.training.ema import AveragedWeights
from faceml.training.full_gpu import FOR_TRAINING, translate_full_gpu
from faceml.training.objective import Objective
from faceml.training.observer import BrokenStep, EpochRecord, Measured, Metrics, StepRecord, TrainingObserver
from faceml.training.step import Precision, TrainingStep
from faceml.training.workers import epoch_seed, mean_over_workers, share_buffers, world_size


@dataclass(frozen=True)
class TrainerOptions:
    """How a training goes, beside its data, network and optimiser.

    Attributes:
        seed: Of the whole training.
        measured: What comes before the names of the evaluation's metrics.
        log_every_steps: Steps between two that the observer is told of.
        gradient_norms_every_steps: Steps between two at which the objective takes a look.
        accumulate_batches: Batches whose gradients make one step.
        freeze_backbone_epochs: Epochs in which the backbone stays as it is; its learning rate is 0 in them.
        patience_epochs: Epochs without a better validation accuracy after which it ends; None: never.
        max_grad_norm: A longer gradient is scaled down to this length.
        ema_decay: Of the average of the weights, which is evaluated and kept in their stead.
        precision: Of forward and backward pass.
        on_nonfinite: What happens when a gradient has NaN or infinity: `stop`, or `skip` the step.
    """

    seed: int = 0
    measured: str = "val"
    log_every_steps: int = 20
    gradient_norms_every_steps: int = 200
    accumulate_batches: int = 1
    freeze_backbone_epochs: int = 0
    patience_epochs: int | None = None
    max_grad_norm: float | None = None
    ema_decay: float | None = None
    precision: Precision = "fp32"
    on_nonfinite: Literal["stop", "skip"] = "stop"


class Trainer(Generic[ModelT]):
    """Train an objective, alone or as one of several workers that average their gradients.

    Every epoch starts its random numbers from seed, worker and epoch, so that a resumed training goes on as
    the uninterrupted one would have.

    Args:
        objective: On its device.
        optimizer: Over the objective's parameters.
        schedule: Stepped once an update.
        train_faces: Batches of this worker, told the epoch.
        image_ids: Of the training faces, by their position.
        augmentation: Makes random views of a batch, on the objective's device.
        evaluate: Measures a network on other faces.
        model_checkpoint: Returns the content of the model file, given the network and the epoch's metrics.
        options: The rest.
    """

    def __init__(
        self,
        objective: Objective[ModelT],
        optimizer: Optimizer,
        schedule: LRScheduler,
        train_faces: EpochBatches,
        image_ids: Sequence[str],
        augmentation: FaceAugmentation,
        evaluate: Callable[[ModelT], Measured],
        model_checkpoint: Callable[[ModelT, Metrics], dict[str, Any]],
        options: TrainerOptions,
    ) -> None:
        self.objective = objective
        module: nn.Module = DistributedDataParallel(objective) if world_size() > 1 else objective
        self._step = TrainingStep(module, objective, optimizer, options.precision, options.max_grad_norm)
        self.optimizer = optimizer
        self._schedule = schedule
        self.train_faces = train_faces
        self._image_ids = image_ids
        self._augmentation = augmentation
        self._evaluate = evaluate
        self._model_checkpoint = model_checkpoint
        self._options = options
        self._average = AveragedWeights(objective.model, options.ema_decay) if options.ema_decay else None
        self._device = next(objective.parameters()).device
        self._epochs_done = self._best_epoch = 0
        self._best_accuracy = -1.0
        self._step_figures = ("train/loss", *(f"train/loss_{t}" for t in objective.tasks), "train/grad_norm")

    @property
    def model(self) -> ModelT:
        """The network that is evaluated and kept: the one that learns, or its average."""
        return self._average.model if self._average else self.objective.model

    @property
    def epochs_done(self) -> int:
        """Epochs done in all, those before a resume included."""
        return self._epochs_done

    @property
    def has_stopped_early(self) -> bool:
        """Whether validation accuracy has not improved for as long as patience goes."""
        patience = self._options.patience_epochs
        return patience is not None and self._epochs_done - self._best_epoch >= patience

    @translate_full_gpu(FOR_TRAINING)
    def fit(self, epochs: int, observer: TrainingObserver) -> None:
        """Train until `epochs` are done in all, those before a resume included, or patience is at its end.

        Raises:
            StoppedError: A gradient is not finite, or the GPU has no memory for a step.
        """
        while self._epochs_done < epochs and not self.has_stopped_early:
            epoch = self._epochs_done + 1
            metrics = self._train_epoch(epoch, epochs, observer)
            share_buffers(self.objective)
            if self._average:
                share_buffers(self.model)
            found = self._evaluate(self.model)
            metrics |= {f"{self._options.measured}/{name}": value for name, value in found.metrics.items()}
            self._epochs_done = epoch
            if found.metrics["accuracy"] > self._best_accuracy:
                self._best_epoch, self._best_accuracy = epoch, found.metrics["accuracy"]
            observer.on_epoch(EpochRecord(epoch, metrics, found.confusion, partial(self.save, metrics)))

    def save(self, metrics: Metrics, folder: Path) -> None:
        """Write the state to resume from and the model to use into a folder."""
        state = {
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "scaler": self._step.scaler.state_dict(),
            "average": self._average.state_dict() if self._average else None,
            "epochs_done": self._epochs_done,
            "best_epoch": self._best_epoch,
            "best_accuracy": self._best_accuracy,
        }
        write_state(state, folder / STATE_FILE)
        write_state(self._model_checkpoint(self.model, metrics), folder / MODEL_FILE)

    def resume(self, folder: str | Path) -> None:
        """Go back to the moment at which `save` wrote into a folder, given by its path or URI."""
        state = read_state(place_below(folder, STATE_FILE), self._device)
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._step.scaler.load_state_dict(state["scaler"])
        if self._average:
            self._average.load_state_dict(state["average"])
        self._epochs_done = state["epochs_done"]
        self._best_epoch, self._best_accuracy = state["best_epoch"], state["best_accuracy"]

    def _train_epoch(self, epoch: int, epochs: int, observer: TrainingObserver) -> Metrics:
        self.objective.train()
        self.objective.begin_epoch(epoch)
        if epoch <= self._options.freeze_backbone_epochs:
            self.objective.model.backbone.eval()  # its batch norms stay as they are, as its weights do
        torch.manual_seed(epoch_seed(self._options.seed, epoch))
        self.train_faces.set_epoch(epoch)
        accumulate = self._options.accumulate_batches
        steps, started_s = len(self.train_faces) // accumulate, time.perf_counter()
        sums, looks = torch.zeros(1 + len(self._step_figures), device=self._device), list[Metrics]()
        unchecked: list[_UncheckedStep] = []
        broken = faces = 0
        for step, batches in enumerate(_groups(self.train_faces, accumulate)):
            looking = step % self._options.gradient_norms_every_steps == 0
            learning_rate = float(self.optimizer.param_groups[0]["lr"])
            result = self._step(
                [self._view(batch) for batch in batches],
                (lambda output: looks.append(self.objective.look(output))) if looking else None,
            )
            self._schedule.step()
            self.objective.weighting.clamp_()
            if self._average:
                self._average.update()
            faces += sum(len(batch.label) for batch in batches)
            values = torch.cat([result.losses, result.grad_norm.reshape(1)])
            sums += torch.where(result.is_done, torch.cat([torch.ones_like(values[:1]), values]), 0.0)
            positions = [batch.position for batch in batches]
            unchecked.append(_UncheckedStep(step + 1, positions, values, result.is_broken))
            if step % self._options.log_every_steps == 0:
                broken += self._tell_broken(observer, epoch, unchecked)
                unchecked, told = [], self._named(values)
                if np.isfinite(told["train/grad_norm"]):
                    steps_done = (epoch - 1) * steps + step + 1
                    observer.on_step(StepRecord(epoch, steps_done, epochs * steps, told))
        broken += self._tell_broken(observer, epoch, unchecked)
        if not sums[0]:
            raise StoppedError(f"No step of epoch {epoch} had a finite gradient. {REMEDY}")
        means = self._named(mean_over_workers(sums[1:] / sums[0]))
        seconds = time.perf_counter() - started_s
        weighting = self.objective.weighting
        figures = {
            **means,
            **{n: float(mean_over_workers(v)) for n, v in self.objective.epoch_figures().items()},
            **{name: _mean_of_finite([look[name] for look in looks]) for name in looks[0]},
            **{f"train/log_var_{t}": float(s) for t, s in weighting.log_variances().items()},
            **{f"train/weight_{t}": w for t, w in weighting.effective_weights().items()},
            "train/learning_rate": learning_rate,
            "train/images_per_second": faces * world_size() / seconds,
            "train/broken_steps": float(broken),
        }
        weighting.after_epoch({task: means[f"train/loss_{task}"] for task in weighting.tasks})
        return figures

    def _view(self, batch: FaceSample) -> FaceSample:
        """Return random views of a batch of faces, on the device."""
        faces = batch.to(self._device)
        image, landmarks = self._augmentation(faces.image, faces.landmarks)
        return faces._replace(image=image, landmarks=landmarks * faces.has_landmarks[:, None, None])

    def _tell_broken(
        self, observer: TrainingObserver, epoch: int, unchecked: Sequence["_UncheckedStep"]
    ) -> int:
        """Tell of steps whose gradient was not finite, which all workers know of at the same moment.

        Returns:
            Their number.

        Raises:
            StoppedError: There is one, and it is not to be left out.
        """
        flags = torch.stack([step.is_broken for step in unchecked]).tolist() if unchecked else []
        found = [step for step, is_broken in zip(unchecked, flags, strict=True) if is_broken]
        for step in found:
            images = [self._image_ids[position] for batch in step.positions for position in batch.tolist()]
            observer.on_broken_step(BrokenStep(epoch, step.number, images, self._named(step.values)))
            if self._options.on_nonfinite == "stop":
                raise StoppedError(
                    f"A gradient is not finite in epoch {epoch}, step {step.number}. {REMEDY} "
                    "training.on_nonfinite: skip leaves such steps out."
                )
        return len(found)

    def _named(self, values: Tensor) -> Metrics:
        """Name the figures of a step: the total, each task's loss, the norm of the gradient."""
        return dict(zip(self._step_figures, values.tolist(), strict=True))


class _UncheckedStep(NamedTuple):
    """A step of the epoch, the faces it saw, its figures, and on the device whether it was broken."""

    number: int
    positions: list[Tensor]
    values: Tensor
    is_broken: Tensor


REMEDY = "Lower optimizer.learning_rate, lengthen training.warmup_epochs or set training.max_grad_norm."


def _mean_of_finite(values: Sequence[float]) -> float:
    """Return the mean; a broken step has gradients that are not finite, one without landmarks no cosine."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def _groups(batches: Iterable[FaceSample], size: int) -> Iterator[list[FaceSample]]:
    """Yield so many batches at a time; what is left at the end does not make a step."""
    group = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
