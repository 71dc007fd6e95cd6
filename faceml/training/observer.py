"""Who is told how a training goes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from faceml.metrics import ConfusionMatrix

Metrics = dict[str, float]


@dataclass(frozen=True)
class StepRecord:
    """Where a training is, in the middle of an epoch.

    Attributes:
        epoch: From 1.
        step: Steps done in the whole training.
        total_steps: Steps of the whole training.
        metrics: Of this step: `train/loss`, `train/loss_expression`, …
    """

    epoch: int
    step: int
    total_steps: int
    metrics: Metrics


@dataclass(frozen=True)
class EpochRecord:
    """The result of an epoch.

    Attributes:
        epoch: From 1.
        metrics: Means over the epoch (`train/…`) and the evaluation at its end (`val/…`, `verification/…`).
        confusion: Of the expressions in that evaluation; None where there are none.
        save: Writes the checkpoint of this moment into a folder.
    """

    epoch: int
    metrics: Metrics
    confusion: ConfusionMatrix | None
    save: Callable[[Path], None]


@dataclass(frozen=True)
class BrokenStep:
    """A step whose gradient is not finite, so that the parameters were left as they were.

    Attributes:
        epoch: From 1.
        step: Of the epoch, from 1.
        image_ids: Of this worker's faces.
        metrics: The losses, `train/loss`, …, NaN and infinities among them, and `train/grad_norm`.
    """

    epoch: int
    step: int
    image_ids: list[str]
    metrics: Metrics


class Measured(Protocol):
    """What a network was found to be worth."""

    @property
    def metrics(self) -> Metrics:
        """Figures by name, `accuracy` among them."""
        ...

    @property
    def confusion(self) -> ConfusionMatrix | None:
        """How often each expression was taken for which; None where there are none."""
        ...


class TrainingObserver(Protocol):
    """Is called by every worker at the same moments, so that it may synchronise them."""

    def on_step(self, record: StepRecord) -> None:
        """Hear of a step, every so many of them."""
        ...

    def on_epoch(self, record: EpochRecord) -> None:
        """Hear of the end of an epoch, and keep the checkpoint if it wants to."""
        ...

    def on_broken_step(self, record: BrokenStep) -> None:
        """Hear of a step that was left out, on each worker with its own faces, and keep what it tells."""
        ...
