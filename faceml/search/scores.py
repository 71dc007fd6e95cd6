"""Metric that the trials of a search are compared by."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from faceml.config import SelectionConfig, StudyConfig, TrainConfig, TuneConfig
from faceml.metrics import Score
from faceml.tasks import select_score

ACCURACY = Score("val/accuracy", "accuracy", minimised=False, is_share=True, digits=1)
VERIFICATION = Score("verification/accuracy", "verification", minimised=False, is_share=True, digits=1)


def search_score(config: TuneConfig | StudyConfig) -> Score:
    """Return the metric of a search: its own, that of `train.selection`, or the first task's.

    The arms of a study are compared by verification accuracy.

    Raises:
        ConfigError: No task has the metric.
    """
    if isinstance(config, StudyConfig):
        return VERIFICATION
    if config.metric:
        return select_score(SelectionConfig(metric=config.metric), config.train.all_tasks, "metric")
    return select_score(config.train.selection, config.train.all_tasks, "train.selection.metric")


def epochs_to_train(train: TrainConfig, records: Sequence[Mapping[str, Any]]) -> int:
    """Return the number of epochs after which a training ends unless a scheduler stops it before.

    Args:
        train: Configuration of the training, which may end early by `training.patience_epochs`.
        records: Metrics of its epochs so far, in order.
    """
    patience = train.training.patience_epochs
    if patience is None:
        return train.training.epochs
    score = select_score(train.selection, train.all_tasks, "train.selection.metric")
    best, best_epoch = -math.inf, 0
    for record in records:
        value = record[score.metric]
        if value is not None and score.direction * value > best:
            best, best_epoch = score.direction * value, record["epoch"]
        if record["epoch"] - best_epoch >= patience:
            return int(record["epoch"])
    return train.training.epochs
