"""Columns of targets in the rows of a data set."""

import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from faceml.datasets.targets import Target, Targets
from faceml.storage import Column, MappedRows

TASKS = "tasks"
"""Fact with the names of the tasks that have columns."""


def target_columns(targets: Targets) -> dict[str, Column]:
    """Return the columns of targets, for `targets_in`; the names of the tasks belong to the facts."""
    return {
        name: part.numpy()
        for task, target in targets.items()
        for name, part in zip(_names(task), target, strict=True)
    }


def targets_in(rows: MappedRows) -> Targets:
    """Return the targets in the rows, without copying them."""
    return {task: Target(*(_tensor(rows, name) for name in _names(task))) for task in rows.facts[TASKS]}


def _names(task: str) -> tuple[str, str]:
    return f"values/{task}", f"known/{task}"


def _tensor(rows: MappedRows, name: str) -> Tensor:
    values = from_dlpack(rows.flat(name)).reshape(rows.shape(name))
    return values.view(torch.bool) if rows.is_boolean(name) else values
