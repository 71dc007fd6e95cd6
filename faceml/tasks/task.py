"""Interface of the kinds of tasks: all that training, evaluation, prediction and reports know of a task.

Shape letters: N rows, B faces of a batch, D embedding dimensions.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor, nn

from faceml.config import TaskConfig
from faceml.datasets import Mix, Moves, Target
from faceml.metrics import PairedMetric, Score
from faceml.statistics import Interval
from faceml.tables import LandmarkSet
from faceml.tasks.code_digest import code_digest
from faceml.tasks.columns import list_column
from faceml.tasks.plain_numbers import rounded
from faceml.tasks.task_loss import TaskLoss

if TYPE_CHECKING:
    from faceml.tasks.chapters.base import TaskChapter

ConfigT = TypeVar("ConfigT", bound=TaskConfig)

Values = Mapping[str, npt.NDArray[np.float32]]
"""Values of `Task.outputs` by name: of one face, or of N images, of shape (N, …)."""

ROWS_AT_ONCE = 2**18
"""Rows that are counted at once, to bound the memory of their classes."""
EXAMPLE_DIM = 16
"""Embedding dimension of the head that gives the shapes of the outputs."""


class TaskMetric(nn.Module, ABC):
    """Metrics of a task, accumulated over batches and workers by the metrics of torchmetrics in it."""

    @abstractmethod
    def update(self, output: Tensor, target: Target) -> None:
        """Add a batch: the head's output of shape (B, …), and its target."""

    @abstractmethod
    def compute(self) -> dict[str, Tensor]:
        """Return the metrics of all workers: scalars by name, and arrays such as a confusion matrix.

        `loss` is the unweighted loss. Metrics are NaN without any target.
        """

    def reset(self) -> None:
        """Discard all batches."""
        from torchmetrics import Metric  # slow to import; only who evaluates needs it

        for metric in self.modules():
            if isinstance(metric, Metric):
                metric.reset()


class Task(ABC, Generic[ConfigT]):
    """One thing that is learned from a face.

    A kind of task is a subclass. It is registered under the name of its kind, in
    `faceml.config.sections.tasks` or by the entry point group `faceml.tasks`.

    Args:
        name: Name of the task in the configuration.
        config: Its settings.

    Attributes:
        config_class: Class of the settings.
        likelihood: `classification` for cross-entropies, `regression` for errors; `uncertainty_kendall`
            weighs them differently.
        landmark_set: The landmarks that it predicts; None if it predicts something else.
    """

    config_class: ClassVar[type[TaskConfig]]
    likelihood: ClassVar[Literal["classification", "regression"]] = "regression"
    landmark_set: LandmarkSet | None = None

    def __init__(self, name: str, config: ConfigT) -> None:
        self.name = name
        self.config = config

    # Targets

    @property
    def columns(self) -> Sequence[str]:
        """Columns of the landmark table or the label table that the target is made of."""
        return self.config.target_columns()

    def learn(self, rows: pa.Table, source: str) -> None:
        """Take from the rows of the training split what the configuration leaves open, such as classes."""

    def learned(self) -> dict[str, Any]:
        """Return what `learn` has found as plain values, which checkpoints contain."""
        return {}

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Set what `learned` has returned for the training split of a model."""

    def fingerprint(self) -> dict[str, Any]:
        """Return plain values that differ between tasks with different targets of the same rows.

        They are the settings and the code of the class. A subclass adds what else its targets depend on, such
        as the content of a file that a setting names.
        """
        return {"settings": self.config.model_dump(mode="json"), "code": code_digest(type(self))}

    def excluded(self, rows: pa.Table, source: str) -> dict[str, pa.Array]:
        """Return the rows that do not belong to the data set, by reason, as bool arrays of shape (N,)."""
        return {}

    @abstractmethod
    def read(self, rows: pa.Table, source: str) -> Target:
        """Return the target of N rows; see `faceml.datasets.TargetReader`."""

    def check_folder_names(self, names: Sequence[str]) -> None:
        """Check the order of classes against the names of numbered folders.

        Raises:
            ConfigError: The order differs.
        """

    @property
    def group_names(self) -> Sequence[str]:
        """Names of the classes, by which faces can be counted and sampled; empty without classes."""
        return ()

    def groups(self, target: Target) -> Tensor:
        """Return the class of each row, a position in `group_names` or -1, int64 of shape (N,)."""
        return torch.full((len(target.known),), -1)

    def group_counts(self, target: Target) -> list[int]:
        """Return the number of rows of each class."""
        counts = torch.zeros(len(self.group_names), dtype=torch.int64)
        for start in range(0, len(target.known), ROWS_AT_ONCE):
            groups = self.groups(Target(*(part[start : start + ROWS_AT_ONCE] for part in target)))
            counts += torch.bincount(groups[groups >= 0], minlength=len(counts))
        return counts.tolist()

    def move(self, values: Tensor, moves: Moves) -> Tensor:
        """Return target values as seen in augmented images: flipped, rotated, scaled, translated."""
        return values

    def mix(self, target: Target, mix: Mix) -> Target:
        """Return the target of images that were mixed; by default it is unknown where two images are seen."""
        return Target(target.values, target.known & (mix.shares == 1))

    # Training

    @abstractmethod
    def build_head(self, embedding_dim: int) -> nn.Module:
        """Return a module from embeddings (B, D) to outputs (B, …)."""

    @abstractmethod
    def build_loss(self, target: Target | None = None) -> TaskLoss:
        """Return the loss.

        Args:
            target: Target of the training split, from which weights of classes are computed; None for equal
                weights.
        """

    def count(self, target: Target) -> Tensor:
        """Return the number of targets in a batch, a scalar by which a sum of losses is divided."""
        return target.known.sum().float()

    # Evaluation

    @abstractmethod
    def build_metric(self) -> TaskMetric:
        """Return the metrics, of which `scores` describes those that can select a model."""

    @property
    @abstractmethod
    def scores(self) -> Sequence[Score]:
        """Metrics that can select the best epoch, the default first; see `metric_name`."""

    @property
    def part_scores(self) -> Sequence[Score]:
        """Further metrics that can select it: the loss, and those of a column, a label or a landmark."""
        return ()

    def intervals(self, results: Mapping[str, Any]) -> dict[str, Interval]:
        """Return 95 % intervals of metrics by their names, as far as there are some.

        Args:
            results: Values of `TaskMetric.compute` as plain numbers and lists.
        """
        return {}

    # Use

    @abstractmethod
    def outputs(self, output: Tensor) -> dict[str, Tensor]:
        """Return what predictions and exported graphs give for a batch, float32 of shape (B, …) by name.

        The names are unique among tasks: the task's name, or `output_name(task, part)` for several parts.
        """

    def mirror_output(self, output: Tensor) -> Tensor:
        """Return the output (B, …) for mirrored images, given that for the images; by default the same."""
        return output

    @cached_property
    def output_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the outputs of one face, by name."""
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            output = self.build_head(EXAMPLE_DIM).eval()(torch.zeros(1, EXAMPLE_DIM))
            return {name: tuple(values.shape[1:]) for name, values in self.outputs(output).items()}

    @property
    def points(self) -> Mapping[str, Sequence[int]]:
        """Outputs that are points, of shape (B, P, 2), by name, with their order in a mirrored image.

        Point i of a mirrored image is point `order[i]` of the original. Points are fractions of the
        network's image; predictions give them as fractions of the whole image, and draw them.
        """
        return {}

    def face_fields(self) -> list[pa.Field]:
        """Return the columns of predictions: lists of the outputs, by their names.

        Columns of text, and of lists of text, are names by which faces are counted.
        """
        return [
            pa.field(name, pa.list_(pa.float32(), math.prod(shape)))
            for name, shape in self.output_shapes.items()
        ]

    def as_row(self, values: Values) -> dict[str, Any]:
        """Return the values of `face_fields` for one face, whose points refer to the whole image."""
        return {name: values[name].ravel() for name in self.output_shapes}

    def as_plain(self, values: Values) -> dict[str, Any]:
        """Return the same values with names, for JSON."""
        return {name: rounded(values[name]) for name in self.output_shapes}

    def caption(self, values: Values) -> str:
        """Return a few words that are drawn beside a face; none if empty."""
        return ""

    def compare(
        self, first: Values, second: Values, target: Target, confidence: float = 0.95
    ) -> list[PairedMetric]:
        """Compare two models on the same N images by their outputs.

        Args:
            first: Outputs of the first model.
            second: Outputs of the second model.
            target: Target of the images.
            confidence: Of the intervals, in (0, 1).

        Returns:
            Metrics with the interval of their difference; none without any target.
        """
        return []

    def contract(self) -> dict[str, Any]:
        """Return the meaning of the outputs as plain values: names of classes, columns or points."""
        return {}

    # Reports

    def prediction_columns(self, output: Tensor, target: Target) -> dict[str, pa.Array]:
        """Return columns of the table of an evaluation for B faces, by names that are unique among tasks.

        Outputs that `compare` needs have their own names; `output_name(task, "label")` is the target.
        """
        return {name: list_column(values) for name, values in self.outputs(output).items()}

    def chapter(self) -> "TaskChapter":
        """Return what reports and the terminal show of the task."""
        from faceml.tasks.chapters.base import TaskChapter  # slow to import: charts

        return TaskChapter(self)
