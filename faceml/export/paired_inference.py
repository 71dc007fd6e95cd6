"""Two models that answer the same images in turns, so that what else the machine does slows both alike."""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from faceml.export.agreement import Answer, Answers
from faceml.export.split_images import SplitImages

WARM_UP_RUNS = 3
"""ONNX Runtime lays out its memory in the first ones."""


class Turns(NamedTuple):
    """What two models said of N images, and how long they took.

    Attributes:
        answers: Of either model, one for each image.
        latency_ms: Of either, the median over the images.
    """

    answers: tuple[list[Answers], list[Answers]]
    latency_ms: tuple[float, float]


def answer_in_turns(
    split: SplitImages, indices: Sequence[int], models: tuple[Answer, Answer], advance: Callable[[int], None]
) -> Turns:
    """Show two models the same images, one at a time.

    Args:
        split: That has them.
        indices: Of N images, at least one.
        models: Both.
        advance: Is told after each image.
    """
    answers: tuple[list[Answers], list[Answers]] = ([], [])
    seconds: tuple[list[float], list[float]] = ([], [])
    first = split.decoded(indices[0])
    for _ in range(WARM_UP_RUNS):
        for model in models:
            model(first)
    for turn, index in enumerate(indices):
        images = split.decoded(index)
        for which in (0, 1) if turn % 2 == 0 else (1, 0):  # whoever is first finds a colder cache
            started_s = time.perf_counter()
            answer = models[which](images)
            seconds[which].append(time.perf_counter() - started_s)
            answers[which].append(answer)
        advance(1)
    return Turns(answers, (1000 * median(seconds[0]), 1000 * median(seconds[1])))
