"""Data of a multitask training, and its number of steps per epoch."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from faceml.config import (
    AugmentationConfig,
    ConfigError,
    DataConfig,
    FrozenDict,
    LeakageConfig,
    SplitConfig,
    TaskConfig,
    TrainConfig,
)
from faceml.datasets import FaceDataset, Preprocessing
from faceml.tables import build_selection
from faceml.tasks import Tasks, build_tasks

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Faces:
    """The two splits of a training, and the tasks that are learned from them."""

    train: FaceDataset
    val: FaceDataset
    tasks: Tasks

    def group_counts(self, task: str) -> list[tuple[str, int, int]]:
        """Return the classes of a task with their numbers of training and of validation faces."""
        rule = self.tasks[task]
        counts = (rule.group_counts(split.targets[task]) for split in (self.train, self.val))
        return list(zip(rule.group_names, *counts, strict=True))

    def num_targets(self, task: str) -> int:
        """Return the number of validation faces with a target of a task."""
        return int(self.val.targets[task].known.sum())

    def log_untrained_classes(self) -> None:
        """Warn of classes in the validation split that the training split never shows."""
        for task in self.tasks:
            untrained = [
                f"{name} ({val:,} validation images)"
                for name, train, val in self.group_counts(task)
                if val and not train
            ]
            if untrained:
                logger.warning(
                    "%s: has no image of %s. No network can learn to name them, so these images count as "
                    "misclassified in every epoch. Add training images, or leave these classes out with "
                    "tasks.%s.leave_out.",
                    self.train.table,
                    ", ".join(untrained),
                    task,
                )


def build_faces(config: TrainConfig) -> Faces:
    """Open both splits.

    Raises:
        ConfigError: A table or its images cannot be used.
    """
    return _open(config.data, config.all_tasks)


def build_cached_faces(config: TrainConfig) -> Faces:
    """Open both splits, or return those of the last call if its settings give the same splits.

    Successive trainings in one process, as in a search, then open their data only once.

    Raises:
        ConfigError: A table or its images cannot be used.
    """
    # Settings without an effect on the splits are set to their defaults, to be equal in the cache.
    same = {
        "sampling": "natural",
        "sampling_task": None,
        "leakage": LeakageConfig(),
        "augmentation": AugmentationConfig(),
        "mixing": None,
        "loader_processes": 0,
    }
    return _last_opened(config.data.model_copy(update=same), FrozenDict(config.all_tasks))


def _open(config: DataConfig, configs: Mapping[str, TaskConfig]) -> Faces:
    tasks = build_tasks(configs)
    if config.labels is not None:
        for task in tasks.values():
            task.check_folder_names(config.labels)
    preprocessing = Preprocessing(config.image_size)
    train, val = (
        open_split(
            split,
            config.num_landmarks,
            preprocessing,
            tasks,
            config.cache,
            is_training=split is config.train,
        )
        for split in (config.train, config.val)
    )
    return Faces(train, val, tasks)


def open_split(
    split: SplitConfig,
    num_landmarks: int,
    preprocessing: Preprocessing,
    tasks: Tasks,
    cache: Path | None = None,
    *,
    is_training: bool = False,
) -> FaceDataset:
    """Open a split with the targets of tasks; the arguments are those of `FaceDataset`.

    Raises:
        ConfigError: The table, its images or its labels cannot be used.
    """
    return FaceDataset(
        build_selection(split),
        split.images,
        num_landmarks,
        preprocessing,
        list(tasks.values()),
        cache,
        is_training=is_training,
        follow_links=split.follow_links,
    )


# One entry only: names and landmarks of millions of faces take hundreds of megabytes.
_last_opened = lru_cache(maxsize=1)(_open)


def batches_per_epoch(config: TrainConfig, faces: Faces) -> int:
    """Return the number of complete batches of each worker per epoch."""
    return len(faces.train) // config.scaling.num_train_workers // config.training.batch_size_per_worker


def steps_per_epoch(config: TrainConfig, faces: Faces) -> int:
    """Return the number of steps per epoch; an incomplete last step is dropped.

    Raises:
        ConfigError: The training split does not fill one step, or the validation split is empty.
    """
    training = config.training
    batches = batches_per_epoch(config, faces)
    if batches < training.accumulate_batches:
        step = config.scaling.num_train_workers * training.batch_size_per_worker * training.accumulate_batches
        raise ConfigError(
            f"training.batch_size_per_worker = {training.batch_size_per_worker}: one step of all workers is "
            f"{step} images, data.train has {len(faces.train)}. Choose a smaller one."
        )
    if not len(faces.val):
        raise ConfigError(f"data.val.table: {config.data.val.table} has no image that could be decoded.")
    return batches // training.accumulate_batches
