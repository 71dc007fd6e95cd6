"""What integers cost: the float model and its int8 copy on the same images, in turns.

Shape letters: N images, L landmarks.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt
import torch

from faceml.export.agreement import Answer, Answers
from faceml.export.split_images import SplitImages
from faceml.metrics.differences import Interval, paired_difference
from faceml.metrics.landmarks import normalized_errors
from faceml.metrics.paired_shares import paired_shares_interval
from faceml.schema import LandmarkSet

WARM_UP_RUNS = 3
"""ONNX Runtime lays out its memory in the first ones."""


@dataclass(frozen=True)
class PairedFigure:
    """A figure of both models on the same images.

    Attributes:
        floats: Of the float model.
        int8: Of its copy.
        difference: int8 minus float.
        interval: Of the difference, 95 %; None where it cannot be told.
        images: On which both were measured.
    """

    floats: float
    int8: float
    difference: float
    interval: Interval | None
    images: int


@dataclass(frozen=True)
class QuantizationLoss:
    """How much worse and how much quicker the copy is.

    Attributes:
        accuracy: Share of images whose expression is named rightly.
        nme: Mean error of landmarks by the distance between the eyes; None without any face with landmarks.
        same_expression: Share of images of which both say the same.
        latency_ms: Of one image at a time on one thread, preprocessing included, float and int8; medians.
    """

    accuracy: PairedFigure
    nme: PairedFigure | None
    same_expression: float
    latency_ms: tuple[float, float]


def measure_quantization(
    split: SplitImages,
    indices: Sequence[int],
    landmark_set: LandmarkSet,
    floats: Answer,
    int8: Answer,
    advance: Callable[[int], None],
) -> QuantizationLoss:
    """Show both models the same images.

    Args:
        split: With expressions and landmarks.
        indices: Of N images that the copy was not calibrated on, at least one.
        landmark_set: Of the model.
        floats: From `open_onnx`.
        int8: Likewise.
        advance: Is told after each image.
    """
    answers, seconds = _in_turns(split, indices, (floats, int8), advance)
    rows = torch.tensor(indices)
    labels = split.faces.labels[rows].numpy()
    named = [np.array([answer["logits"][0].argmax() for answer in of_model]) for of_model in answers]
    return QuantizationLoss(
        accuracy=_accuracies(*(predicted == labels for predicted in named)),
        nme=_errors(split, rows, landmark_set, answers),
        same_expression=float((named[0] == named[1]).mean()),
        latency_ms=(1000 * median(seconds[0]), 1000 * median(seconds[1])),
    )


def _in_turns(
    split: SplitImages, indices: Sequence[int], models: tuple[Answer, Answer], advance: Callable[[int], None]
) -> tuple[tuple[list[Answers], list[Answers]], tuple[list[float], list[float]]]:
    """Return the answers of both models to each image, and the seconds they took."""
    answers: tuple[list[Answers], list[Answers]] = ([], [])
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(WARM_UP_RUNS):
        for model in models:
            model(split.decoded(indices[0]))
    for turn, index in enumerate(indices):
        images = split.decoded(index)
        for which in (0, 1) if turn % 2 == 0 else (1, 0):  # the first finds a colder cache
            started_s = time.perf_counter()
            answer = models[which](images)
            seconds[which].append(time.perf_counter() - started_s)
            answers[which].append(answer)
        advance(1)
    return answers, seconds


def _accuracies(floats: npt.NDArray[np.bool_], int8: npt.NDArray[np.bool_]) -> PairedFigure:
    gained, lost = int((int8 & ~floats).sum()), int((floats & ~int8).sum())
    interval = paired_shares_interval(gained, lost, len(floats))
    difference = (gained - lost) / len(floats)
    return PairedFigure(float(floats.mean()), float(int8.mean()), difference, interval, len(floats))


def _errors(
    split: SplitImages,
    rows: torch.Tensor,
    landmark_set: LandmarkSet,
    answers: tuple[list[Answers], list[Answers]],
) -> PairedFigure | None:
    seen = split.faces.has_landmarks[rows]
    if not seen.any():
        return None
    targets = split.faces.landmarks[rows][seen].double()
    floats, int8 = (
        normalized_errors(
            torch.from_numpy(np.concatenate([answer["landmarks"] for answer in of_model]))[seen].double(),
            targets,
            landmark_set,
        ).mean(dim=1)
        for of_model in answers
    )
    difference = paired_difference((int8 - floats).tolist())
    return PairedFigure(
        float(floats.mean()), float(int8.mean()), difference.mean, difference.interval, len(floats)
    )
