"""Metric that the trials of a search are compared by."""

from faceml.config import SelectionConfig, StudyConfig, TuneConfig
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
