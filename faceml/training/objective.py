"""Objectives of training: the total loss of a batch, and the losses of the tasks."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple

import torch
from torch import Tensor, nn

from faceml.datasets import FaceSample, Preprocessing
from faceml.losses import TaskWeighting, expression_cross_entropy, masked_mse
from faceml.models import FaceOutputs, ModelT, MultitaskFaceModel
from faceml.training.workers import flattened, mean_over_workers


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
    def forward(self, batch: FaceSample, landmark_rows: Tensor | None = None) -> ObjectiveOutput:
        """Return the weighted total of the task losses over a batch on the network's device.

        Args:
            batch: A batch of this worker.
            landmark_rows: Divisor of the sum of landmark losses; the result of `rows_per_worker` by default.
        """

    @abstractmethod
    def compute_diagnostics(self, output: ObjectiveOutput) -> dict[str, float]:
        """Return further metrics of a step by name, before its graph is freed."""

    def on_epoch_start(self, epoch: int) -> None:
        """Prepare for an epoch, numbered from 1."""

    def epoch_metrics(self) -> dict[str, Tensor]:
        """Return metrics of the epoch so far by name, scalars, the same in all workers."""
        return {}


class MultitaskObjective(Objective[MultitaskFaceModel]):
    """Classification of expressions and regression of landmarks by one network.

    Args:
        model: The network.
        weighting: Weighting of the tasks `expression` and `landmarks`.
        preprocessing: Normalises the images on the network's device.
        class_weights: Weights of the expressions, float32 of shape (E,); equal by default.
        label_smoothing: Label smoothing in [0, 1).
        focal_gamma: Focusing parameter of `expression_cross_entropy`.
        landmark_loss: Loss function with the arguments of `masked_mse`.
    """

    tasks = ("expression", "landmarks")
    class_weights: Tensor | None

    def __init__(
        self,
        model: MultitaskFaceModel,
        weighting: TaskWeighting,
        preprocessing: Preprocessing,
        class_weights: Tensor | None = None,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        landmark_loss: Callable[..., Tensor] = masked_mse,
    ) -> None:
        super().__init__(model, weighting)
        self.preprocessing = preprocessing
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma
        self.landmark_loss = landmark_loss

    def forward(self, batch: FaceSample, landmark_rows: Tensor | None = None) -> ObjectiveOutput:
        """Return the weighted total of the task losses; see `Objective.forward`."""
        rows = rows_per_worker(batch.has_landmarks) if landmark_rows is None else landmark_rows
        outputs: FaceOutputs = self.model(self.preprocessing.normalize(batch.image))
        losses = {
            "expression": expression_cross_entropy(
                outputs.logits, batch.label, self.class_weights, self.label_smoothing, self.focal_gamma
            ),
            "landmarks": self.landmark_loss(outputs.landmarks, batch.landmarks, batch.has_landmarks, rows),
        }
        if self.training and self.weighting.needs_losses and torch.is_grad_enabled():
            self.weighting.on_losses(shared_losses(losses))
        return ObjectiveOutput(self.weighting(losses), losses, outputs)

    def compute_diagnostics(self, output: ObjectiveOutput) -> dict[str, float]:
        """Return the norm of each task's gradient on the backbone, and the cosine between the two."""
        shared = [p for p in self.model.backbone.parameters() if p.requires_grad]
        gradients = task_gradients(output.losses, shared)
        norms = {f"train/grad_norm_{task}": norm for task, norm in gradients.norms.items()}
        return norms | {"train/grad_cosine": gradients.cosine}


def shared_losses(losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the mean of each loss over all workers, detached from the graph."""
    means = mean_over_workers(torch.stack([loss.float() for loss in losses.values()]))
    return dict(zip(losses, means, strict=True))


def rows_per_worker(has_landmarks: Tensor) -> Tensor:
    """Return the number of rows with landmarks, averaged over all workers, a scalar.

    DDP averages gradients over workers. If each worker divided its squared errors by its own count, rows of a
    worker with few landmarks would weigh more; with this divisor the average is the mean of the global batch.
    """
    return mean_over_workers(has_landmarks.sum().float())


class TaskGradients(NamedTuple):
    """The Euclidean norm of each task's own gradient, and the cosine between those of two tasks."""

    norms: dict[str, float]
    cosine: float


def task_gradients(losses: Mapping[str, Tensor], parameters: list[nn.Parameter]) -> TaskGradients:
    """Return norms and cosine of two tasks' gradients, unweighted, over shared parameters.

    The graph is kept for the training step's backward pass. The cosine is NaN if a gradient is zero, as for
    a batch without landmarks.

    Args:
        losses: Scalar loss of each task.
        parameters: Shared parameters, such as the backbone's.
    """
    one, other = (
        flattened(torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True))
        for loss in losses.values()
    )
    norms = torch.stack([one.norm(), other.norm()])
    cosine = float(one @ other / norms.prod())
    return TaskGradients(dict(zip(losses, norms.tolist(), strict=True)), cosine)
