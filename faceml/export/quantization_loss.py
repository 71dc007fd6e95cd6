"""Loss of accuracy and gain of speed by int8 quantization, measured on the same images for both models.

Shape letters: N images, L landmarks, D embedding dimensions.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from faceml.datasets import VerificationPairs
from faceml.export.graph import Inference, Outputs
from faceml.export.split_images import SplitImages
from faceml.metrics import (
    bootstrap_interval,
    normalized_errors,
    verification_accuracy,
    weights_of_resampled_people,
)
from faceml.statistics import Interval, paired_difference, paired_shares_interval
from faceml.tables import LandmarkSet
from faceml.training import score_pairs

WARM_UP_RUNS = 3
"""ONNX Runtime plans its memory in the first runs."""
BOOTSTRAP_ROUNDS = 500


@dataclass(frozen=True)
class PairedFigure:
    """A metric of both models on the same images.

    Attributes:
        floats: Value of the float32 model.
        int8: Value of the int8 model.
        difference: int8 minus float32.
        interval: 95 % interval of the difference; None where it is undefined.
        count: Number of images, or of pairs of images, that the metric was measured on.
    """

    floats: float
    int8: float
    difference: float
    interval: Interval | None
    count: int


@dataclass(frozen=True)
class QuantizationLoss:
    """Accuracy and latency of an int8 model in comparison with its float32 original.

    Attributes:
        images: Number N of images that both models were run on.
        measure: The metric in `accuracy`.
        accuracy: Expression accuracy or verification accuracy.
        nme: Normalised mean error of the landmarks; None without any face with landmarks.
        same_expression: Share of images with the same predicted expression; None for recognition.
        latency_ms: Median time of one image on one thread, preprocessing included; float32 and int8.
    """

    images: int
    measure: Literal["expression accuracy", "verification accuracy"]
    accuracy: PairedFigure
    nme: PairedFigure | None
    same_expression: float | None
    latency_ms: tuple[float, float]


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


def measure_expression_loss(
    split: SplitImages, indices: Sequence[int], landmark_set: LandmarkSet, paired: PairedOutputs
) -> QuantizationLoss:
    """Compare expression accuracy and landmark error of both models.

    The interval of the accuracy is the score interval for paired proportions (Tango 1998), that of the error
    Student's over the faces.

    Args:
        split: Split with expressions and landmarks.
        indices: Indices of N images that were not used for calibration.
        landmark_set: Landmark set of the model.
        paired: Outputs of both models for these images.
    """
    rows = torch.tensor(indices)
    labels = split.faces.labels[rows].numpy()
    predicted = [logits.argmax(axis=1) for logits in paired.stacked("logits")]
    floats, int8 = (classes == labels for classes in predicted)
    gained, lost = int((int8 & ~floats).sum()), int((floats & ~int8).sum())
    return QuantizationLoss(
        images=len(indices),
        measure="expression accuracy",
        accuracy=PairedFigure(
            float(floats.mean()),
            float(int8.mean()),
            (gained - lost) / len(labels),
            paired_shares_interval(gained, lost, len(labels)),
            len(labels),
        ),
        nme=_landmark_errors(split, rows, landmark_set, paired),
        same_expression=float((predicted[0] == predicted[1]).mean()),
        latency_ms=paired.latency_ms,
    )


def _landmark_errors(
    split: SplitImages, rows: torch.Tensor, landmark_set: LandmarkSet, paired: PairedOutputs
) -> PairedFigure | None:
    seen = split.faces.has_landmarks[rows]
    if not seen.any():
        return None
    targets = split.faces.landmarks[rows][seen].double()
    floats, int8 = (
        normalized_errors(torch.from_numpy(points)[seen].double(), targets, landmark_set).mean(dim=1)
        for points in paired.stacked("landmarks")
    )
    difference = paired_difference((int8 - floats).tolist())
    return PairedFigure(
        float(floats.mean()), float(int8.mean()), difference.mean, difference.interval, len(floats)
    )


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
    return QuantizationLoss(
        images=len(people),
        measure="verification accuracy",
        accuracy=PairedFigure(*accuracies, difference, interval, len(floats.scores)),
        nme=None,
        same_expression=None,
        latency_ms=paired.latency_ms,
    )
