"""Configuration of tasks: what a network learns from a face, one class per kind of task."""

import re
from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from faceml.config.base import Config, MustExist, Positive, StorageUri
from faceml.config.sections.entry_points import load_entry_point, names_with_others
from faceml.config.sections.losses import (
    CrossEntropyConfig,
    LandmarkLossConfig,
    LossConfig,
    MeanSquaredError,
    RegressionLossConfig,
)

ENTRY_POINTS = "faceml.tasks"
"""Group of entry points by which other packages add kinds of tasks."""
AtLeastTwo = Annotated[tuple[str, ...], Field(min_length=2)]
ClassesFile = Annotated[StorageUri, MustExist("file", or_else="affectnet8, found or a list of names")]
FOLDER = "folder"
"""Target of a classification whose classes are the folders of the images."""
MESH_POINTS = 478
"""Vertices of MediaPipe's FaceMesh, the irises among them."""


class TaskConfig(Config, ABC):
    """Base of the configurations of all kinds; a kind adds its own settings."""

    kind: str

    @model_validator(mode="after")
    def _has_each_column_once(self) -> Self:
        twice = [name for name, count in Counter(self.target_columns()).items() if count > 1]
        if twice:
            raise ValueError(f"target: {twice[0]} is listed twice")
        return self

    @property
    def can_be_mixed(self) -> bool:
        """True if the target of an image that is mixed of two is the mean of both; see `data.mixing`."""
        return False

    @property
    def needs_whole_steps(self) -> bool:
        """True if the loss needs all images of a step at once; `training.accumulate_batches` divides them."""
        return False

    @abstractmethod
    def target_columns(self) -> tuple[str, ...]:
        """Return the columns of the landmark table or the label table that the target is made of."""


class ClassificationConfig(TaskConfig):
    """One class per face, or a distribution over classes such as the votes of annotators."""

    kind: Literal["classification"]
    target: str | AtLeastTwo = FOLDER
    """Column of the class, `folder` for the first folder of the image's path, or several columns, one per
    class, with votes or probabilities."""
    classes: (
        Literal["affectnet8", "found"] | Annotated[tuple[str, ...], Field(min_length=2)] | ClassesFile
    ) = "affectnet8"
    """`affectnet8`, `found` (the values of the training split), a list in the order of the logits, or a file
    (path or URI) with one name per line or with a list in JSON or YAML."""
    aliases: dict[str, str] = {}
    """Other spellings of a class: `{spelling: class}`."""
    leave_out: tuple[str, ...] = ()
    """Classes that are left out together with their images."""
    loss: CrossEntropyConfig = CrossEntropyConfig()

    @property
    def can_be_mixed(self) -> bool:
        """True: distributions over the classes have a mean."""
        return True

    def target_columns(self) -> tuple[str, ...]:
        """Return the column of the class, or those of the votes."""
        return (self.target,) if isinstance(self.target, str) else self.target


class BinaryCrossEntropy(Config):
    """Binary cross-entropy of each label."""

    positive_weights: Literal["none", "inverse_frequency"] = "none"
    """`inverse_frequency`: positives of a label weigh as much as its negatives."""


class MultilabelConfig(TaskConfig):
    """Any number of yes-or-no labels per face, such as action units."""

    kind: Literal["multilabel"]
    target: Annotated[tuple[str, ...], Field(min_length=1)]
    """Columns of 0 and 1, or of booleans; a cell without a value is left out of the loss."""
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """Probability from which a label is predicted."""
    swap_on_flip: tuple[tuple[str, str], ...] = ()
    """Pairs of columns that a horizontal flip exchanges, such as a left and a right wink."""
    loss: BinaryCrossEntropy = BinaryCrossEntropy()

    @model_validator(mode="after")
    def _swaps_its_columns(self) -> Self:
        unknown = sorted({name for pair in self.swap_on_flip for name in pair} - set(self.target))
        if unknown:
            raise ValueError(
                f"swap_on_flip: {', '.join(unknown)} is not among target: {', '.join(self.target)}"
            )
        twice = [name for name, count in Counter(sum(self.swap_on_flip, ())).items() if count > 1]
        if twice:
            raise ValueError(f"swap_on_flip: {twice[0]} is listed twice")
        return self

    @property
    def can_be_mixed(self) -> bool:
        """True: probabilities of labels have a mean."""
        return True

    def target_columns(self) -> tuple[str, ...]:
        """Return the columns of the labels."""
        return self.target


class RegressionConfig(TaskConfig):
    """One or several numbers per face, such as valence and arousal or the angles of the head."""

    kind: Literal["regression"]
    target: Annotated[str | tuple[str, ...], Field(min_length=1)]
    """Columns of numbers."""
    range: tuple[float, float] | None = None
    """Smallest and largest possible value; other values are refused, and predictions are clipped."""
    scale: Positive | None = None
    """Value that counts as 1 in the loss; null: half of `range`, or 1."""
    negate_on_flip: tuple[str, ...] = ()
    """Columns whose sign a horizontal flip changes; yaw and roll of the landmark table always change."""
    loss: RegressionLossConfig = MeanSquaredError(kind="mse")

    @model_validator(mode="after")
    def _has_columns_and_range(self) -> Self:
        unknown = sorted(set(self.negate_on_flip) - set(self.target_columns()))
        if unknown:
            raise ValueError(f"negate_on_flip: {', '.join(unknown)} is not among target")
        if self.range and self.range[0] >= self.range[1]:
            raise ValueError(f"range: {list(self.range)} must be a smaller and a larger number")
        return self

    @property
    def needs_whole_steps(self) -> bool:
        """True for `ccc`, which is not a mean over images."""
        return self.loss.kind == "ccc"

    def target_columns(self) -> tuple[str, ...]:
        """Return the columns of the numbers."""
        return (self.target,) if isinstance(self.target, str) else self.target


class LandmarksConfig(TaskConfig):
    """Landmarks of MediaPipe's FaceMesh, which the landmark table has."""

    kind: Literal["landmarks"]
    points: Literal[5, 10] | Annotated[tuple[int, ...], Field(min_length=1)] = 5
    """5 or 10, or a list of mesh indices from 0 to 477, for tables with the column `mesh`."""
    loss: LandmarkLossConfig = MeanSquaredError(kind="mse")

    @model_validator(mode="after")
    def _names_each_point_once(self) -> Self:
        points = self.points if isinstance(self.points, tuple) else ()
        if len(set(points)) < len(points) or any(not 0 <= point < MESH_POINTS for point in points):
            raise ValueError(f"points: must be different mesh indices from 0 to {MESH_POINTS - 1}")
        return self

    def target_columns(self) -> tuple[str, ...]:
        """Return the column of the points, or those of the vertices."""
        if isinstance(self.points, int):
            return (f"landmarks_{self.points}",)
        return tuple(f"mesh_{point}" for point in self.points)


BUILT_IN: dict[str, type[TaskConfig]] = {
    "classification": ClassificationConfig,
    "multilabel": MultilabelConfig,
    "regression": RegressionConfig,
    "landmarks": LandmarksConfig,
}


def task_kinds() -> list[str]:
    """Return the names of all kinds, those of installed packages after faceml's own."""
    return names_with_others(BUILT_IN, ENTRY_POINTS)


def load_task_kind(kind: str) -> Any:
    """Import the class of tasks that another package has registered for a kind.

    Raises:
        ValueError: No installed package has this kind; names those that there are.
    """
    found = load_entry_point(ENTRY_POINTS, kind)
    if found is None:
        raise ValueError(f"kind: '{kind}' is not known; there are {', '.join(task_kinds())}")
    return found


def _of_its_kind(value: Any) -> Any:
    """Return the plain settings of a task as the configuration of its kind."""
    if isinstance(value, TaskConfig):
        return value
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        raise ValueError(f"needs a kind; there are {', '.join(task_kinds())}")
    return config_of_kind(value["kind"]).model_validate(value)


def config_of_kind(kind: str) -> type[TaskConfig]:
    """Return the class of the settings of a kind.

    Raises:
        ValueError: There is no such kind; names those that there are.
    """
    if kind in BUILT_IN:
        return BUILT_IN[kind]
    found: type[TaskConfig] = load_task_kind(kind).config_class
    return found


NAME = re.compile(r"[a-z][a-z0-9_]*")
RESERVED = {
    # Parts of the network; the head of `landmarks` is `landmark_head`.
    *("backbone", "projection", "landmark"),
    # Columns of predictions.
    *("image", "image_id", "face", "folder", "status", "width", "height", "faces"),
    *("file_bytes", "modified_ns", "content_sha256", "box", "yaw_deg", "pitch_deg", "roll_deg"),
    *("label", "has_landmarks", "predicted", "brightness"),
    # Keys of settings that choose a kind.
    *("kind", "name"),
    # Input and outputs of exported models.
    *("images", "probabilities", "logits", "embedding"),
}
"""Names with another meaning in models, predictions or exports."""
PARTS = ("_probabilities", "_logits", "_label", "_predicted")
"""Endings of the names of a task's outputs, and of its columns in evaluations."""


def _are_names(tasks: Any) -> Any:
    for name in tasks if isinstance(tasks, dict) else ():
        if not NAME.fullmatch(str(name)):
            raise ValueError(
                f"'{name}' cannot name a task: use lower-case letters, digits and underscores, a letter first"
            )
        if name in RESERVED or name.endswith(PARTS):
            raise ValueError(
                f"'{name}' cannot name a task: models, predictions or exports use this name for something "
                "else. Choose another one"
            )
    return tasks


if TYPE_CHECKING:
    AnyTask = TaskConfig
else:
    AnyTask = Annotated[SerializeAsAny[TaskConfig], BeforeValidator(_of_its_kind)]
TasksConfig = Annotated[dict[str, AnyTask], Field(min_length=1), BeforeValidator(_are_names)]


def parse_tasks(raw: dict[str, Any]) -> dict[str, TaskConfig]:
    """Return the settings of tasks, given as plain values by name, as a checkpoint has them."""
    return {name: config_of_kind(settings["kind"]).model_validate(settings) for name, settings in raw.items()}


def default_tasks(loss: LossConfig, num_landmarks: Literal[5, 10]) -> dict[str, TaskConfig]:
    """Return the tasks of a configuration without `tasks`: expression by folder, and landmarks."""
    entropy = CrossEntropyConfig(**loss.model_dump(exclude={"landmarks"}))
    return {
        "expression": ClassificationConfig(kind="classification", loss=entropy),
        "landmarks": LandmarksConfig(kind="landmarks", points=num_landmarks, loss=loss.landmarks),
    }
