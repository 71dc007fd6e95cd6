"""Loss of accuracy and gain of speed by int8 quantization, measured on the same images for both models.

Shape letters: N images.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from faceml.datasets import VerificationPairs, targets_of
from faceml.export.graph import Inference, Outputs
from faceml.export.split_images import SplitImages
from faceml.metrics import (
    PairedMetric,
    bootstrap_interval,
    verification_accuracy,
    weights_of_resampled_people,
)
from faceml.tasks import Tasks, metric_name
from faceml.training import score_pairs

WARM_UP_RUNS = 3
"""ONNX Runtime plans its memory in the first runs."""
BOOTSTRAP_ROUNDS = 500


@dataclass(frozen=True)
class QuantizationLoss:
    """Metrics and latency of an int8 model in comparison with its float32 original.

    Attributes:
        images: Number N of images that both models were run on.
        metrics: Metrics of both models, float32 first, by the names of `faceml.tasks.metric_name`.
        agreement: Share of images with the same predicted class, by task.
        latency_ms: Median time of one image on one thread, preprocessing included; float32 and int8.
    """

    images: int
    metrics: dict[str, PairedMetric]
    agreement: dict[str, float]
    latency_ms: tuple[float, float]

    def as_plain(self) -> dict[str, Any]:
        """Return the content of `summary.json`."""
        return {
            "images": self.images,
            "measure": next((metric.label for metric in self.metrics.values()), None),
            **{name: _as_plain(metric) for name, metric in self.metrics.items()},
            **{f"same_{task}": share for task, share in self.agreement.items()},
            "latency_ms": self.latency_ms,
        }


def _as_plain(metric: PairedMetric) -> dict[str, Any]:
    return {
        "floats": metric.first,
        "int8": metric.second,
        "difference": metric.difference,
        "interval": metric.interval,
        "count": metric.count,
    }


class PairedOutputs(NamedTuple):
    """Outputs and latencies of two models on the same N images.

    Attributes:
        outputs: For each model, the outputs of each image.
        latency_ms: For each model, the median time of an image.
    """

    outputs: tuple[list[Outputs], list[Outputs]]
    latency_ms: tuple[float, float]

    def stacked(self, name: str) -> list[npt.NDArray[np.float32]]:
        """Return an output of all images for each model, arrays of shape (N, …)."""
        return [np.concatenate([outputs[name] for outputs in of_model]) for of_model in self.outputs]


def run_alternately(
    split: SplitImages,
    indices: Sequence[int],
    models: tuple[Inference, Inference],
    advance: Callable[[int], None],
) -> PairedOutputs:
    """Run two models on the same images, one image at a time.

    The models alternate on each image, so that other load on the machine slows both alike.

    Args:
        split: The images.
        indices: Indices of N images of the split, at least one.
        models: Both models.
        advance: Called with 1 after each image.
    """
    outputs: tuple[list[Outputs], list[Outputs]] = ([], [])
    seconds: tuple[list[float], list[float]] = ([], [])
    first = split.decoded(indices[0])
    for _ in range(WARM_UP_RUNS):
        for model in models:
            model(first)
    for turn, index in enumerate(indices):
        images = split.decoded(index)
        for which in (0, 1) if turn % 2 == 0 else (1, 0):  # the first one finds a colder cache
            started_s = time.perf_counter()
            found = models[which](images)
            seconds[which].append(time.perf_counter() - started_s)
            outputs[which].append(found)
        advance(1)
    return PairedOutputs(outputs, (1000 * median(seconds[0]), 1000 * median(seconds[1])))


def measure_task_loss(
    split: SplitImages, indices: Sequence[int], tasks: Tasks, paired: PairedOutputs
) -> QuantizationLoss:
    """Compare the metrics of all tasks of both models.

    Args:
        split: Split with the targets of the tasks.
        indices: Indices of N images that were not used for calibration.
        tasks: The tasks of the model.
        paired: Outputs of both models for these images.
    """
    targets = targets_of(split.faces.targets, torch.tensor(indices))
    metrics, agreement = dict[str, PairedMetric](), dict[str, float]()
    for name, task in tasks.items():
        stacked = {output: paired.stacked(output) for output in task.output_shapes}
        floats, int8 = ({output: both[which] for output, both in stacked.items()} for which in (0, 1))
        for metric in task.compare(floats, int8, targets[name]):
            metrics[metric_name(name, metric.metric)] = metric
            if metric.agreement is not None:
                agreement[name] = metric.agreement
    return QuantizationLoss(len(indices), metrics, agreement, paired.latency_ms)


def measure_verification_loss(
    people: npt.NDArray[np.int64], pairs: VerificationPairs, paired: PairedOutputs, seed: int = 0
) -> QuantizationLoss:
    """Compare the verification accuracy of both models.

    The interval is a bootstrap over people; each round draws the same people for both models. Embeddings are
    those of single images, without their mirror images.

    Args:
        people: Person of each of N images that were not used for calibration, int64 of shape (N,).
        pairs: Pairs of these images.
        paired: Outputs of both models for these images.
        seed: Seed of the bootstrap.
    """
    floats, int8 = (
        score_pairs(embeddings.astype(np.float64), pairs, people)
        for embeddings in paired.stacked("embedding")
    )
    accuracies = verification_accuracy(floats), verification_accuracy(int8)
    difference = accuracies[1] - accuracies[0]
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(BOOTSTRAP_ROUNDS):
        weights = weights_of_resampled_people(floats, rng)
        drawn.append(verification_accuracy(int8, weights) - verification_accuracy(floats, weights))
    interval = bootstrap_interval(difference, np.array(drawn))
    metric = PairedMetric(
        "accuracy",
        "verification accuracy",
        *accuracies,
        difference,
        interval,
        len(floats.scores),
        is_share=True,
        method="bootstrap over people, with the same pairs and draws for both models",
    )
    return QuantizationLoss(len(people), {"accuracy": metric}, {}, paired.latency_ms)
