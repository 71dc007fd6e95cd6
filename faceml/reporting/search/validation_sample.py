"""Validation faces that the trials of a search are compared on."""

from collections.abc import Callable
from dataclasses import dataclass

from faceml.config import TrainConfig
from faceml.metrics import Score
from faceml.statistics import Interval
from faceml.tasks import VALIDATION, split_metric
from faceml.training import build_cached_faces


@dataclass(frozen=True)
class ValidationSample:
    """Validation faces that the metric of a search is measured on.

    Attributes:
        total: Number of faces with a target of the metric's task.
        interval: Returns the interval of a value of the metric due to the sampling of faces; None where the
            value alone does not give it.
    """

    total: int
    interval: Callable[[float], Interval | None]


def validation_sample(config: TrainConfig, score: Score) -> ValidationSample:
    """Count the validation faces of a training.

    Args:
        config: Configuration of the training, whose tables still exist.
        score: Metric of the search.
    """
    faces = build_cached_faces(config)
    task, metric = split_metric(score.metric.removeprefix(VALIDATION))
    chapter, total = faces.tasks[task].chapter(), faces.num_targets(task)
    return ValidationSample(total, lambda value: chapter.score_interval(metric, value, total))
