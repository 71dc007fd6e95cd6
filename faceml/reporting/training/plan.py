"""Plan of a training, shown before it starts, and the estimate of its remaining time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.console import Group
from rich.table import Table

from faceml.config import TrainConfig
from faceml.datasets import EXPRESSIONS
from faceml.page import percent
from faceml.training import Faces, steps_per_epoch

SHORTEST_MEASUREMENT_S = 5.0
"""Shortest time of steps from which the time of all steps is estimated."""


@dataclass(frozen=True)
class SplitPlan:
    """Faces of a split.

    Attributes:
        table: Landmark table, a path or URI.
        class_counts: Number of faces of each expression.
        left_out: Number of excluded images, by status.
    """

    table: str
    class_counts: Sequence[int]
    left_out: Mapping[str, int]

    @property
    def faces(self) -> int:
        """Number of faces."""
        return sum(self.class_counts)

    def __str__(self) -> str:
        text = f"{self.faces:,} in {self.table}"
        if self.left_out:
            reasons = ", ".join(f"{count:,} {status}" for status, count in self.left_out.items())
            text += f"; excluded images: {reasons}"
        return text


@dataclass(frozen=True)
class TrainingPlan:
    """Content of the banner, as plain values.

    Attributes:
        network: Backbone, initial weights and input.
        workers: Number of Ray Train workers.
        cpus_per_worker: Number of CPUs, and threads, of each worker.
        use_gpu: Whether each worker uses a GPU.
        train: Training split.
        val: Validation split.
        classes: Names of the expressions.
        batch_size_per_worker: Number of faces in a batch.
        accumulate_batches: Number of batches of each worker whose gradients are accumulated in a step.
        steps_per_epoch: Number of optimiser steps in an epoch.
        epochs: Maximum number of epochs.
        precision: Precision of forward and backward pass.
        learning: Loss weighting, sampling and optimiser.
        results: Run folder and tracking server.
    """

    network: str
    workers: int
    cpus_per_worker: int
    use_gpu: bool
    train: SplitPlan
    val: SplitPlan
    classes: Sequence[str]
    batch_size_per_worker: int
    accumulate_batches: int
    steps_per_epoch: int
    epochs: int
    precision: str
    learning: str
    results: str

    @property
    def images_per_step(self) -> int:
        """Effective batch size: number of faces in an optimiser step, over all workers."""
        return self.workers * self.batch_size_per_worker * self.accumulate_batches


def build_training_plan(config: TrainConfig, faces: Faces) -> TrainingPlan:
    """Build the plan of a training from its configuration and data.

    Raises:
        ConfigError: The training split does not fill one batch, or the validation split is empty.
    """
    model, training, scaling = config.model, config.training, config.scaling
    start = "random weights" if model.weights == "none" else f"weights {model.weights}"
    tracking = config.tracking
    tracked = f"; MLflow at {tracking.uri}, experiment {tracking.experiment}" if tracking else ""
    train, val = (
        SplitPlan(
            split.table,
            split.class_counts(),
            {status: len(images) for status, images in split.left_out.items()},
        )
        for split in (faces.train, faces.val)
    )
    return TrainingPlan(
        network=f"{model.backbone}, {start}, images of {config.data.image_size} px, "
        f"{config.data.num_landmarks} landmarks",
        workers=scaling.num_train_workers,
        cpus_per_worker=scaling.cpus_per_worker,
        use_gpu=scaling.use_gpu,
        train=train,
        val=val,
        classes=EXPRESSIONS,
        batch_size_per_worker=training.batch_size_per_worker,
        accumulate_batches=training.accumulate_batches,
        steps_per_epoch=steps_per_epoch(config, faces),
        epochs=training.epochs,
        precision=training.precision,
        learning=f"{config.weighting.kind} weighting, {config.data.sampling} sampling, "
        f"{config.optimizer.name}, learning rate {config.optimizer.learning_rate:g}",
        results=f"{config.run.folder}{tracked}",
    )


def training_banner(plan: TrainingPlan) -> Group:
    """Return the plan and the number of faces of each expression for the terminal."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for row in plan_rows(plan):
        table.add_row(*row)
    return Group(table, "", _class_counts_table(plan))


def plan_rows(plan: TrainingPlan) -> list[tuple[str, str]]:
    """Return the lines of a plan as pairs of name and value."""
    threads = _counted(plan.cpus_per_worker, "CPU thread")
    each = ", each " if plan.workers > 1 else ", "
    batches = f" × {plan.accumulate_batches} batches" if plan.accumulate_batches > 1 else ""
    return [
        ("network", plan.network),
        (
            "hardware",
            f"{_counted(plan.workers, 'worker')}{each}{'a GPU and ' if plan.use_gpu else ''}{threads}, "
            f"{plan.precision}",
        ),
        ("training faces", str(plan.train)),
        ("validation faces", str(plan.val)),
        (
            "batch per step",
            f"{plan.images_per_step:,} images: {_counted(plan.workers, 'worker')} × "
            f"{plan.batch_size_per_worker}{batches}",
        ),
        (
            "steps",
            f"{plan.steps_per_epoch:,} per epoch, {plan.steps_per_epoch * plan.epochs:,} in "
            f"{_counted(plan.epochs, 'epoch')}",
        ),
        ("learning", plan.learning),
        ("results", plan.results),
    ]


def _class_counts_table(plan: TrainingPlan) -> Table:
    table = Table("expression")
    for name in ("training", "share", "validation"):
        table.add_column(name, justify="right")
    for name, train, val in zip(plan.classes, plan.train.class_counts, plan.val.class_counts, strict=True):
        # Expressions without training faces are marked: they cannot be learned.
        style = "" if train else "red"
        table.add_row(name, f"{train:,}", percent(train / max(1, plan.train.faces)), f"{val:,}", style=style)
    return table


def start_line(device: str, epochs_done: int, epochs: int) -> str:
    """Return the log line at the start of the workers, or at their restart from a checkpoint."""
    return f"Training on {device} " + (
        f"resumes after epoch {epochs_done} of {epochs}" if epochs_done else "starts"
    )


class FirstEstimate:
    """Estimate the remaining time of a training once, after its first steps."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._is_reported = False

    def line(self, step: int, total_steps: int, now_s: float, now: datetime) -> str | None:
        """Return the estimate after a step; None while too little was measured and after the first estimate.

        Args:
            step: Number of the step in the whole training.
            total_steps: Number of steps of the whole training.
            now_s: Monotonic time in seconds.
            now: Local date and time.
        """
        if self._first is None or step <= self._first[0]:  # a restarted worker begins again
            self._first = step, now_s
        first_step, since_s = self._first
        if self._is_reported or now_s - since_s < SHORTEST_MEASUREMENT_S or step >= total_steps:
            return None
        self._is_reported = True
        step_s = (now_s - since_s) / (step - first_step)
        left = timedelta(seconds=round((total_steps - step) * step_s))
        return f"{step_s:.2f} s per step: about {left} left, until {now + left:%A %H:%M}, without evaluations"


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
