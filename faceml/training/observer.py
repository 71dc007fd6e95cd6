"""Records of a training's progress, and the interface of their observers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Metrics = dict[str, float]

Arrays = dict[str, Any]
"""Nested lists of numbers by name, such as confusion matrices."""

Evaluated = tuple[Metrics, Arrays]
"""Metrics of an evaluation by name, and arrays."""


@dataclass(frozen=True)
class StepRecord:
    """Progress of a training within an epoch.

    Attributes:
        epoch: Number of the epoch, from 1.
        step: Steps done in the whole training.
        total_steps: Steps of the whole training.
        metrics: Metrics of this step, means over all workers: `train/loss`, `train/loss_expression`, …
    """

    epoch: int
    step: int
    total_steps: int
    metrics: Metrics


@dataclass(frozen=True)
class EpochRecord:
    """Result of an epoch.

    Attributes:
        epoch: Number of the epoch, from 1.
        metrics: Means over the epoch and all workers (`train/…`), and the evaluation at its end (`val/…`,
            `verification/…`).
        arrays: Arrays of that evaluation (`val/…`).
        save: Writes a checkpoint of the end of this epoch into a folder.
    """

    epoch: int
    metrics: Metrics
    arrays: Arrays
    save: Callable[[Path], None]


@dataclass(frozen=True)
class NonFiniteStep:
    """A step with a non-finite gradient, which did not change the parameters.

    Attributes:
        epoch: Number of the epoch, from 1.
        step: Number of the step in the epoch, from 1.
        image_ids: Names of this worker's images.
        metrics: The losses, `train/loss`, …, and `train/grad_norm`, some of them NaN or infinite.
    """

    epoch: int
    step: int
    image_ids: list[str]
    metrics: Metrics


class TrainingObserver(Protocol):
    """Observer of a training. All workers call it at the same moments, so that it may synchronise them."""

    def on_step(self, record: StepRecord) -> None:
        """Receive the record of a step, once every `log_every_steps`."""
        ...

    def on_epoch(self, record: EpochRecord) -> None:
        """Receive the record of an epoch at its end, and save a checkpoint where one is wanted."""
        ...

    def on_nonfinite_step(self, record: NonFiniteStep) -> None:
        """Receive the record of a skipped step, on each worker with its own images."""
        ...
