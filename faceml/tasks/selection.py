"""Metric that selects the best epoch, stops a training early and compares trials."""

from collections.abc import Mapping
from dataclasses import replace

from faceml.config import ConfigError, SelectionConfig, TaskConfig
from faceml.metrics import Score
from faceml.tasks.build import build_tasks
from faceml.tasks.names import VALIDATION, metric_label, metric_name


def select_score(
    selection: SelectionConfig | None,
    configs: Mapping[str, TaskConfig],
    setting: str = "selection.metric",
) -> Score:
    """Return the metric of `selection`, or the first task's own.

    Args:
        selection: The setting; its metric is `task/metric` or the name in records.
        configs: Settings of each task by its name.
        setting: Key of the metric, for the error.

    Raises:
        ConfigError: No task has the metric; names those that there are.
    """
    tasks = build_tasks(configs)
    scores = {
        f"{name}/{score.metric}": _named(score, name) for name, task in tasks.items() for score in task.scores
    }
    if selection is None:
        return next(iter(scores.values()))
    parts = {
        f"{name}/{score.metric}": _named(score, name)
        for name, task in tasks.items()
        for score in task.part_scores
    }
    every = scores | parts
    by_name = {score.metric.removeprefix(VALIDATION): score for score in every.values()} | every
    found = by_name.get(selection.metric.removeprefix(VALIDATION))
    if found is None:
        further = f", or a part such as {next(iter(parts))}" if parts else ""
        raise ConfigError(
            f"{setting}: '{selection.metric}' is no metric of these tasks; choose {', '.join(scores)}"
            f"{further}."
        )
    return replace(found, minimised=selection.mode == "min") if selection.mode else found


def _named(score: Score, task: str) -> Score:
    """Return a task's score with the names that records and reports have for it, such as `val/accuracy`."""
    metric, label = VALIDATION + metric_name(task, score.metric), metric_label(task, score.label)
    return replace(score, metric=metric, label=label)
