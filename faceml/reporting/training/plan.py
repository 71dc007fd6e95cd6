"""What a training is going to do, as a person wants to read it before it starts."""

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
"""Steps of less time together say nothing of how long all of them take."""


@dataclass(frozen=True)
class SplitPlan:
    """The faces of a split.

    Attributes:
        table: Their landmark table.
        class_counts: Faces of each expression.
        left_out: Images without pixels, by status.
    """

    table: str
    class_counts: Sequence[int]
    left_out: Mapping[str, int]

    @property
    def faces(self) -> int:
        """Their number."""
        return sum(self.class_counts)

    def __str__(self) -> str:
        text = f"{self.faces:,} of {self.table}"
        if self.left_out:
            reasons = ", ".join(f"{count:,} {status}" for status, count in self.left_out.items())
            text += f"; images left out: {reasons}"
        return text


@dataclass(frozen=True)
class TrainingPlan:
    """All that the banner tells, as plain values.

    Attributes:
        network: Backbone, start and input, in words.
        workers: Of Ray Train.
        cpus_per_worker: CPUs, and threads, of each.
        use_gpu: Whether each has a GPU.
        train: Split to learn from.
        val: Split to evaluate on.
        classes: Names of the expressions.
        batch_size_per_worker: Faces.
        accumulate_batches: Batches of each worker in a step.
        steps_per_epoch: Updates of the parameters.
        epochs: At most.
        precision: Of forward and backward pass.
        learning: Loss weighting, sampling and optimiser, in words.
        results: The run folder, and who else is told.
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
        """The effective batch size: faces of all workers whose gradients make one step."""
        return self.workers * self.batch_size_per_worker * self.accumulate_batches


def build_training_plan(config: TrainConfig, faces: Faces) -> TrainingPlan:
    """Say what a configuration does with the faces of its tables.

    Raises:
        ConfigError: The training split does not fill one batch, or the validation split is empty.
    """
    model, training, scaling = config.model, config.training, config.scaling
    start = "from random weights" if model.weights == "none" else f"from {model.weights}"
    tracking = config.tracking
    told = f", and MLflow at {tracking.uri}, experiment {tracking.experiment}" if tracking else ""
    train, val = (
        SplitPlan(
            split.table,
            split.class_counts(),
            {status: len(images) for status, images in split.left_out.items()},
        )
        for split in (faces.train, faces.val)
    )
    return TrainingPlan(
        network=f"{model.backbone} {start}, images of {config.data.image_size} px, "
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
        f"{config.optimizer.name} at {config.optimizer.learning_rate:g}",
        results=f"{config.run.folder}{told}",
    )


def training_banner(plan: TrainingPlan) -> Group:
    """Return what is shown before a training starts: the plan, and the faces of each expression."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for row in plan_rows(plan):
        table.add_row(*row)
    return Group(table, "", _class_counts_table(plan))


def plan_rows(plan: TrainingPlan) -> list[tuple[str, str]]:
    """Return what is told of a plan, each with its name."""
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
            "one step",
            f"{plan.images_per_step:,} images: {_counted(plan.workers, 'worker')} × "
            f"{plan.batch_size_per_worker}{batches}",
        ),
        (
            "steps",
            f"{plan.steps_per_epoch:,} an epoch, {plan.steps_per_epoch * plan.epochs:,} in "
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
        # An expression without faces cannot be learnt.
        style = "" if train else "red"
        table.add_row(name, f"{train:,}", percent(train / max(1, plan.train.faces)), f"{val:,}", style=style)
    return table


def start_line(device: str, epochs_done: int, epochs: int) -> str:
    """Return what is said when the workers begin, or go on after an interruption."""
    return f"Training on {device} " + (
        f"goes on after epoch {epochs_done} of {epochs}" if epochs_done else "starts"
    )


class FirstEstimate:
    """Say once, as soon as that can be known, how long a training takes."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._is_told = False

    def line(self, step: int, total_steps: int, now_s: float, now: datetime) -> str | None:
        """Return what can be said after a step, None if it was said or is too early.

        Args:
            step: Steps done in the whole training.
            total_steps: Steps of the whole training.
            now_s: Seconds on a clock that never goes back.
            now: Time of the day.
        """
        if self._first is None or step <= self._first[0]:  # of another worker, who begins again
            self._first = step, now_s
        first_step, since_s = self._first
        if self._is_told or now_s - since_s < SHORTEST_MEASUREMENT_S or step >= total_steps:
            return None
        self._is_told = True
        step_s = (now_s - since_s) / (step - first_step)
        left = timedelta(seconds=round((total_steps - step) * step_s))
        return f"{step_s:.2f} s a step: about {left} to go, until {now + left:%A %H:%M}, evaluations apart"


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
