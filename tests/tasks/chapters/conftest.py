"""Evaluations of tasks whose outputs and targets are given."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor

from faceml.config.sections.tasks import parse_tasks
from faceml.datasets.targets import Target
from faceml.tasks.build import build_tasks
from faceml.tasks.chapters.evaluation import TaskEvaluation
from faceml.tasks.task import Task

Evaluate = Callable[[Task[Any], Tensor, Target], TaskEvaluation]


def make_task(name: str = "pose", **config: Any) -> Task[Any]:
    return build_tasks(parse_tasks({name: config}))[name]


@pytest.fixture
def evaluate() -> Evaluate:
    """Function that evaluates given outputs of a head, as `faceml evaluate` does."""

    def run(task: Task[Any], output: Tensor, target: Target) -> TaskEvaluation:
        metric = task.build_metric()
        metric.update(output, target)
        values = {name: value.tolist() for name, value in metric.compute().items()}
        columns = {
            "image_id": [f"{n}.jpg" for n in range(len(output))],
            "has_landmarks": np.arange(len(output)) % 4 > 0,
        }
        table = pa.table(columns | task.prediction_columns(output, target))
        return task.chapter().evaluation(values, table, target)

    return run


def some_known(values: Tensor, *unknown: int) -> Target:
    known = torch.ones(len(values), dtype=torch.bool)
    known[list(unknown)] = False
    return Target(values, known)
