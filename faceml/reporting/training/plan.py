"""Plan of a training, shown before it starts, and the estimate of its remaining time."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import torch
from rich.console import Group
from rich.table import Table
from rich.text import Text

from faceml.config import TrainConfig
from faceml.datasets import FaceDataset, Target, targets_of
from faceml.page import percent
from faceml.tasks import Task, Tasks
from faceml.training import Faces, steps_per_epoch

SHORTEST_MEASUREMENT_S = 5.0
MOST_CLASSES = 12
"""Number of classes up to which the faces of each are counted by source."""
"""Shortest time of steps from which the time of all steps is estimated."""


class TrainingPlan(NamedTuple):
    """Plan of a multitask training.

    Attributes:
        rows: Lines of the plan as pairs of name and value.
        class_counts: Names of the classes of each classification, with their numbers of training and of
            validation faces.
        total_steps: Maximum number of optimiser steps.
    """

    rows: list[tuple[str, str]]
    class_counts: dict[str, list[tuple[str, int, int]]]
    total_steps: int


def build_training_plan(config: TrainConfig, faces: Faces) -> TrainingPlan:
    """Build the plan of a training from its configuration and data.

    Raises:
        ConfigError: The training split does not fill one batch, or the validation split is empty.
    """
    model, data, training, scaling = config.model, config.data, config.training, config.scaling
    weights = "random weights" if model.weights == "none" else f"weights {model.weights}"
    workers = _counted(scaling.num_train_workers, "worker")
    each = ", each " if scaling.num_train_workers > 1 else ", "
    gpu = "a GPU and " if scaling.use_gpu else ""
    batch_size, accumulated = training.batch_size_per_worker, training.accumulate_batches
    images_per_step = scaling.num_train_workers * batch_size * accumulated
    batches = f" × {accumulated} batches" if accumulated > 1 else ""
    steps = steps_per_epoch(config, faces)
    total_steps = steps * training.epochs
    tracking = config.tracking
    tracked = f"; MLflow at {tracking.uri}, experiment {tracking.experiment}" if tracking else ""
    rows = [
        (
            "network",
            f"{model.backbone}, {weights}, images of {data.image_size} px",
        ),
        (
            "hardware",
            f"{workers}{each}{gpu}{_counted(scaling.cpus_per_worker, 'CPU thread')}, {training.precision}",
        ),
        *((f"task {name}", _task(name, faces)) for name in faces.tasks),
        ("training faces", _split(faces.train)),
        ("validation faces", _split(faces.val)),
        *((f"training faces of {source}", text) for source, text in _sources(faces.train, faces.tasks)),
        *((f"validation faces of {source}", text) for source, text in _sources(faces.val, faces.tasks)),
        ("batch per step", f"{images_per_step:,} images: {workers} × {batch_size}{batches}"),
        ("steps", f"{steps:,} per epoch, {total_steps:,} in {_counted(training.epochs, 'epoch')}"),
        (
            "learning",
            f"{config.weighting.kind} weighting, {data.sampling} sampling, {config.optimizer.name}, "
            f"learning rate {config.optimizer.learning_rate:g}",
        ),
        ("results", f"{config.run.folder}{tracked}"),
    ]
    classes = {name: faces.group_counts(name) for name, task in faces.tasks.items() if task.group_names}
    return TrainingPlan(rows, classes, total_steps)


def _task(name: str, faces: Faces) -> str:
    """Return kind, outputs and numbers of targets of a task."""
    task = faces.tasks[name]
    outputs = [
        f", {len(part)} {what.removesuffix('s') if len(part) == 1 else what}"
        for what, part in task.contract().items()
        if isinstance(part, list)
    ]
    train, val = (
        f"{int(split.targets[name].known.sum()):,} of {len(split):,}" for split in (faces.train, faces.val)
    )
    return f"{task.config.kind}{''.join(outputs)}; targets: {train} training, {val} validation faces"


def _split(faces: FaceDataset) -> str:
    text = f"{len(faces):,} in {faces.selection}"
    reasons = ", ".join(f"{count.number:,} {status}" for status, count in faces.left_out.items())
    return f"{text}; excluded images: {reasons}" if reasons else text


def _sources(faces: FaceDataset, tasks: Tasks) -> Iterator[tuple[str, str]]:
    """Yield the name of each source with its faces, and those with a target of each task, by class if any."""
    sources = faces.sources
    if sources is None:
        return
    codes = sources.indices.to_numpy()
    for source, code in sorted((name, code) for code, name in enumerate(sources.dictionary.to_pylist())):
        is_own = torch.from_numpy(codes == code)
        targets = targets_of(faces.targets, is_own)
        parts = [_counted_targets(tasks[name], target) for name, target in targets.items()]
        yield source, f"{int(is_own.sum()):,}; targets: {'; '.join(parts)}"


def _counted_targets(task: Task[Any], target: Target) -> str:
    text = f"{int(target.known.sum()):,} {task.name}"
    if not 0 < len(task.group_names) <= MOST_CLASSES or not target.known.any():
        return text
    counts = zip(task.group_names, task.group_counts(target), strict=True)
    return f"{text} ({', '.join(f'{count:,} {name}' for name, count in counts)})"


def training_banner(plan: TrainingPlan) -> Group:
    """Return the plan and the number of faces of each class for the terminal."""
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="bold")
    lines.add_column(overflow="fold")
    for row in plan.rows:
        lines.add_row(*row)
    tables = [_classes(task, counts) for task, counts in plan.class_counts.items()]
    return Group(lines, *(part for table in tables for part in ("", table)))


def _classes(task: str, counts: Sequence[tuple[str, int, int]]) -> Table:
    classes = Table(task.replace("_", " "))
    for name in ("training", "share", "validation"):
        classes.add_column(name, justify="right")
    total = max(1, sum(train for _, train, _ in counts))
    for name, train, val in counts:
        # Classes without training faces are marked: they cannot be learned.
        classes.add_row(
            Text(name), f"{train:,}", percent(train / total), f"{val:,}", style="" if train else "red"
        )
    return classes


def start_line(device: str, precision: str, epochs_done: int, epochs: int) -> str:
    """Return the log line at the start of the workers, or at their restart from a checkpoint."""
    return f"Training on {device} in {precision} " + (
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
