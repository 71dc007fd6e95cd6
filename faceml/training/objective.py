"""Objectives of training: the total loss of a batch, and the losses of the tasks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple

import torch
from torch import Tensor, nn

from faceml.datasets import FaceSample, Mix, Moves, Preprocessing, Target, Targets
from faceml.losses import TaskWeighting
from faceml.models import FaceOutputs, ModelT, MultitaskFaceModel
from faceml.tasks import Tasks
from faceml.training.task_gradients import task_gradients
from faceml.training.workers import mean_over_workers

TargetCounts = dict[str, Tensor]
"""Divisor of each task's sum of losses, a scalar."""


class ObjectiveOutput(NamedTuple):
    """The total loss, a scalar; the loss of each task, scalars; and the network's outputs."""

    total: Tensor
    losses: dict[str, Tensor]
    outputs: Any


class Objective(nn.Module, ABC, Generic[ModelT]):
    """A network, its task losses and their weighting, in one module so that DDP covers all parameters.

    Args:
        model: The network.
        weighting: Weighting of the tasks.

    Attributes:
        tasks: Names of the tasks, in the order of the losses.
    """

    tasks: tuple[str, ...]

    def __init__(self, model: ModelT, weighting: TaskWeighting) -> None:
        super().__init__()
        self.model = model
        self.weighting = weighting

    @abstractmethod
    def forward(self, batch: FaceSample, counts: TargetCounts | None = None) -> ObjectiveOutput:
        """Return the weighted total of the task losses over a batch on the network's device.

        Args:
            batch: A batch of this worker.
            counts: Result of `count_targets` for all batches of the step; for this batch alone by default.
        """

    def count_targets(self, batches: Sequence[FaceSample]) -> TargetCounts:
        """Return the number of targets of each task, averaged over batches and workers; {} if all are known.

        DDP averages gradients over workers. If each worker divided its losses by its own number of targets,
        those of a worker with few targets would weigh more; with this divisor the average is the mean of the
        global batch.

        Args:
            batches: This worker's batches of a step.
        """
        return {}

    def move_targets(self, targets: Targets, moves: Moves) -> Targets:
        """Return targets as seen in augmented images."""
        return targets

    def mix_targets(self, targets: Targets, mix: Mix) -> Targets:
        """Return targets of mixed images."""
        return targets

    @abstractmethod
    def compute_diagnostics(self, output: ObjectiveOutput) -> dict[str, float]:
        """Return further metrics of a step by name, before its graph is freed."""

    def on_epoch_start(self, epoch: int) -> None:
        """Prepare for an epoch, numbered from 1."""

    def epoch_metrics(self) -> dict[str, Tensor]:
        """Return metrics of the epoch so far by name, scalars, the same in all workers."""
        return {}


class MultitaskObjective(Objective[MultitaskFaceModel]):
    """Any tasks, learned by one network.

    Args:
        model: The network, with a head for each task.
        weighting: Weighting of the tasks.
        preprocessing: Normalises the images on the network's device.
        tasks: The tasks by name.
        targets: Targets of the training split, from which some losses take weights of classes.
    """

    def __init__(
        self,
        model: MultitaskFaceModel,
        weighting: TaskWeighting,
        preprocessing: Preprocessing,
        tasks: Tasks,
        targets: Targets | None = None,
    ) -> None:
        super().__init__(model, weighting)
        self.preprocessing = preprocessing
        self.tasks = tuple(tasks)
        self._tasks = tasks
        # Not a `ModuleDict`, which refuses the names of its methods.
        self.losses = nn.ModuleList(
            task.build_loss(targets[name] if targets else None) for name, task in tasks.items()
        )

    def forward(self, batch: FaceSample, counts: TargetCounts | None = None) -> ObjectiveOutput:
        """Return the weighted total of the task losses; see `Objective.forward`."""
        counts = self.count_targets([batch]) if counts is None else counts
        outputs: FaceOutputs = self.model(self.preprocessing.normalize(batch.image))
        losses = {
            name: loss(outputs.tasks[name], batch.targets[name], counts[name])
            for name, loss in zip(self.tasks, self.losses, strict=True)
        }
        if self.training and self.weighting.needs_losses and torch.is_grad_enabled():
            self.weighting.on_losses(shared_losses(losses))
        return ObjectiveOutput(self.weighting(losses, counts), losses, outputs)

    def count_targets(self, batches: Sequence[FaceSample]) -> TargetCounts:
        """Return the divisor of each task's loss; see `Objective.count_targets`."""
        counted = [
            torch.stack([task.count(batch.targets[name]) for batch in batches]).sum()
            for name, task in self._tasks.items()
        ]
        means = mean_over_workers(torch.stack(counted)) / len(batches)
        return dict(zip(self._tasks, means, strict=True))

    def move_targets(self, targets: Targets, moves: Moves) -> Targets:
        """Return targets as seen in augmented images."""
        return {
            name: Target(task.move(targets[name].values, moves), targets[name].known)
            for name, task in self._tasks.items()
        }

    def mix_targets(self, targets: Targets, mix: Mix) -> Targets:
        """Return targets of mixed images."""
        return {name: task.mix(targets[name], mix) for name, task in self._tasks.items()}

    def compute_diagnostics(self, output: ObjectiveOutput) -> dict[str, float]:
        """Return the norm of each task's gradient on the backbone, and the cosine of each pair."""
        shared = [p for p in self.model.backbone.parameters() if p.requires_grad]
        return task_gradients(output.losses, shared).metrics()


def shared_losses(losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the mean of each loss over all workers, detached from the graph."""
    means = mean_over_workers(torch.stack([loss.float() for loss in losses.values()]))
    return dict(zip(losses, means, strict=True))
