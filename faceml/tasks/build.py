"""Construction of tasks from their configuration."""

from collections.abc import Mapping
from typing import Any

from faceml.config import TaskConfig, load_task_kind
from faceml.tasks.classification import ClassificationTask
from faceml.tasks.landmarks import LandmarksTask
from faceml.tasks.multilabel import MultilabelTask
from faceml.tasks.regression import RegressionTask
from faceml.tasks.task import Task

Tasks = dict[str, Task[Any]]
"""Tasks by their names."""

BUILT_IN: dict[str, type[Task[Any]]] = {
    "classification": ClassificationTask,
    "multilabel": MultilabelTask,
    "regression": RegressionTask,
    "landmarks": LandmarksTask,
}


def build_tasks(configs: Mapping[str, TaskConfig]) -> Tasks:
    """Build the tasks of a training; those of other packages by their entry points.

    Args:
        configs: Settings of each task by its name.
    """
    return {name: _class_of(config.kind)(name, config) for name, config in configs.items()}


def _class_of(kind: str) -> type[Task[Any]]:
    found: type[Task[Any]] = BUILT_IN[kind] if kind in BUILT_IN else load_task_kind(kind)
    return found


def describe_tasks(tasks: Tasks) -> dict[str, dict[str, Any]]:
    """Return kind and outputs of each task as plain values, for predictions and exported models.

    Args:
        tasks: Tasks whose classes are known.
    """
    return {
        name: {"kind": task.config.kind, "outputs": list(task.output_shapes), **task.contract()}
        for name, task in tasks.items()
    }


def short_contract(tasks: Tasks) -> dict[str, Any]:
    """Return classes and landmarks by their names from when there were no other tasks."""
    short = {"labels": ("expression", "classes"), "landmark_names": ("landmarks", "points")}
    return {name: tasks[task].contract()[part] for name, (task, part) in short.items() if task in tasks}
