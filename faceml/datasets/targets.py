"""Targets of a training's tasks, and the interface by which a data set reads them.

Shape letters: N rows, B faces of a batch.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import torch
from torch import Tensor


class Target(NamedTuple):
    """Target of a task for N faces.

    Attributes:
        values: Of shape (N, …); rows without a target may have any finite value.
        known: bool of shape (N,), False for rows without a target.
    """

    values: Tensor
    known: Tensor

    def to(self, device: torch.device) -> "Target":
        """Return a copy on a device; copying from pinned memory overlaps with computation."""
        return Target(self.values.to(device, non_blocking=True), self.known.to(device, non_blocking=True))


Targets = dict[str, Target]
"""Target of each task, by its name."""


def targets_of(targets: Targets, rows: Tensor | int) -> Targets:
    """Return the targets of some faces, or of one, given their positions."""
    return {task: Target(target.values[rows], target.known[rows]) for task, target in targets.items()}


class TargetReader(Protocol):
    """A task as a data set sees it."""

    name: str

    @property
    def columns(self) -> Sequence[str]:
        """Columns of the landmark table or the label table that the target is made of."""
        ...

    def learn(self, rows: pa.Table, source: str) -> None:
        """Take from the training split what the configuration leaves open, such as the classes `found`."""
        ...

    def learned(self) -> dict[str, Any]:
        """Return what `learn` has found as plain values."""
        ...

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Set what `learned` has returned, when the training split was opened before."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Return plain values that differ between tasks with different targets of the same rows."""
        ...

    def excluded(self, rows: pa.Table, source: str) -> dict[str, pa.Array]:
        """Return the rows that do not belong to the data set, by reason, as bool arrays of shape (N,)."""
        ...

    def read(self, rows: pa.Table, source: str) -> Target:
        """Return the target of N rows.

        Args:
            rows: Rows with `columns`, and with `crop_box` where the images are cropped copies.
            source: Path or URI of the table, for errors.

        Raises:
            ConfigError: A value cannot be a target; names it and the setting.
        """
        ...
