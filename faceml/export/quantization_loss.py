"""What integers cost a model of expressions and landmarks: it and its int8 copy on the same images.

Shape letters: N images, L landmarks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from faceml.export.paired_inference import Turns
from faceml.export.split_images import SplitImages
from faceml.metrics import normalized_errors
from faceml.statistics import Interval, paired_difference, paired_shares_interval
from faceml.tables import LandmarkSet


@dataclass(frozen=True)
class PairedFigure:
    """A figure of both models on the same images.

    Attributes:
        floats: Of the float model.
        int8: Of its copy.
        difference: int8 minus float.
        interval: Of the difference, 95 %; None where it cannot be told.
        count: On how many images, or pairs of images, both were measured.
    """

    floats: float
    int8: float
    difference: float
    interval: Interval | None
    count: int


@dataclass(frozen=True)
class QuantizationLoss:
    """How much worse and how much quicker the copy is.

    Attributes:
        images: That both were shown, N.
        measure: What `accuracy` is: the share of images whose expression is named rightly, or of pairs of
            images of which it is told rightly whether they show one person.
        accuracy: That share.
        nme: Mean error of landmarks by the distance between the eyes; None without any face with landmarks.
        same_expression: Share of images of which both say the same; None of recognition.
        latency_ms: Of one image at a time on one thread, preprocessing included, float and int8; medians.
    """

    images: int
    measure: Literal["expression accuracy", "verification accuracy"]
    accuracy: PairedFigure
    nme: PairedFigure | None
    same_expression: float | None
    latency_ms: tuple[float, float]


def expression_loss(
    split: SplitImages, indices: Sequence[int], landmark_set: LandmarkSet, turns: Turns
) -> QuantizationLoss:
    """Compare what a model and its copy said of expressions and landmarks.

    Args:
        split: With expressions and landmarks.
        indices: Of N images that the copy was not calibrated on.
        landmark_set: Of the model.
        turns: What both said of them.
    """
    rows = torch.tensor(indices)
    labels = split.faces.labels[rows].numpy()
    named = [np.array([answer["logits"][0].argmax() for answer in of_model]) for of_model in turns.answers]
    return QuantizationLoss(
        images=len(indices),
        measure="expression accuracy",
        accuracy=_accuracies(*(predicted == labels for predicted in named)),
        nme=_errors(split, rows, landmark_set, turns),
        same_expression=float((named[0] == named[1]).mean()),
        latency_ms=turns.latency_ms,
    )


def _accuracies(floats: npt.NDArray[np.bool_], int8: npt.NDArray[np.bool_]) -> PairedFigure:
    gained, lost = int((int8 & ~floats).sum()), int((floats & ~int8).sum())
    interval = paired_shares_interval(gained, lost, len(floats))
    difference = (gained - lost) / len(floats)
    return PairedFigure(float(floats.mean()), float(int8.mean()), difference, interval, len(floats))


def _errors(
    split: SplitImages, rows: torch.Tensor, landmark_set: LandmarkSet, turns: Turns
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
        for of_model in turns.answers
    )
    difference = paired_difference((int8 - floats).tolist())
    return PairedFigure(
        float(floats.mean()), float(int8.mean()), difference.mean, difference.interval, len(floats)
    )
