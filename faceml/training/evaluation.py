"""Evaluation of a multitask network on a split."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch

from faceml.datasets import FaceSample, Preprocessing
from faceml.models import FaceOutputs, MultitaskFaceModel
from faceml.tasks import Tasks, metric_name, run_flip_test
from faceml.training.observer import Metrics


class EvaluationResult(NamedTuple):
    """Metrics by the names of `faceml.tasks.metric_name`.

    Attributes:
        metrics: Scalars.
        arrays: Nested lists, such as confusion matrices.
    """

    metrics: Metrics
    arrays: dict[str, Any]


class Evaluation:
    """Evaluate a network; with several workers each evaluates its share, and all get the whole result.

    Args:
        preprocessing: The training's preprocessing.
        tasks: The tasks of the network, by name.
        device: Device of the network.
        flip_test: Evaluate the mean outputs for images and their mirror images, see `faceml.tasks.flip_test`.
    """

    def __init__(
        self, preprocessing: Preprocessing, tasks: Tasks, device: torch.device, *, flip_test: bool = False
    ) -> None:
        self._preprocessing = preprocessing
        self._tasks = tasks
        self._device = device
        self._flip_test = flip_test
        self._metrics = {name: task.build_metric().to(device) for name, task in tasks.items()}

    @torch.no_grad()
    def __call__(
        self,
        model: MultitaskFaceModel,
        batches: Iterable[FaceSample],
        on_batch: Callable[[FaceSample, FaceOutputs], None] | None = None,
    ) -> EvaluationResult:
        """Return the metrics of all tasks.

        The network is left in evaluation mode.

        Args:
            model: The network.
            batches: This worker's batches.
            on_batch: Called with each batch, on the device, and the network's outputs.
        """
        model.eval()
        for batch in batches:
            faces = batch.to(self._device)
            images = self._preprocessing.normalize(faces.image)
            outputs = run_flip_test(model, images, self._tasks) if self._flip_test else model(images)
            if on_batch is not None:
                on_batch(faces, outputs)
            for name, metric in self._metrics.items():
                metric.update(outputs.tasks[name], faces.targets[name])
        values = {
            metric_name(name, part): value
            for name, metric in self._metrics.items()
            for part, value in metric.compute().items()
        }
        for metric in self._metrics.values():
            metric.reset()
        return EvaluationResult(
            {name: float(value) for name, value in values.items() if value.ndim == 0},
            {name: value.tolist() for name, value in values.items() if value.ndim > 0},
        )
