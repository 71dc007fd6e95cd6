"""Data of a multitask training, and its number of steps per epoch."""

import logging
from dataclasses import dataclass
from functools import lru_cache

from faceml.config import AugmentationConfig, ConfigError, DataConfig, LeakageConfig, TrainConfig
from faceml.datasets import EXPRESSIONS, FaceDataset, Preprocessing, refuse_other_order

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Faces:
    """The two splits of a training."""

    train: FaceDataset
    val: FaceDataset

    def log_untrained_classes(self) -> None:
        """Warn of expressions in the validation split that the training split never shows."""
        counts = zip(EXPRESSIONS, self.train.class_counts(), self.val.class_counts(), strict=True)
        untrained = [
            f"{name} ({val:,} validation images)" for name, train, val in counts if val and not train
        ]
        if untrained:
            logger.warning(
                "%s: has no image of %s. No network can learn to name them, so these images count as "
                "misclassified in every epoch. Add training images, or remove the folders from the "
                "validation split.",
                self.train.table,
                ", ".join(untrained),
            )


def build_faces(config: DataConfig) -> Faces:
    """Open both splits.

    Raises:
        ConfigError: A table or its images cannot be used.
    """
    if config.labels is not None:
        refuse_other_order(config.labels)
    preprocessing = Preprocessing(config.image_size)
    return Faces(
        *(
            FaceDataset(
                split.table,
                split.images,
                config.num_landmarks,
                preprocessing,
                config.cache,
                follow_links=split.follow_links,
            )
            for split in (config.train, config.val)
        )
    )


def build_cached_faces(config: DataConfig) -> Faces:
    """Open both splits, or return those of the last call if its settings give the same splits.

    Successive trainings in one process, as in a search, then open their data only once.

    Raises:
        ConfigError: A table or its images cannot be used.
    """
    # Settings without an effect on the splits are set to their defaults, to be equal in the cache.
    same = {
        "sampling": "natural",
        "leakage": LeakageConfig(),
        "augmentation": AugmentationConfig(),
        "loader_processes": 0,
    }
    return _build_faces(config.model_copy(update=same))


# One entry only: names and landmarks of millions of faces take hundreds of megabytes.
_build_faces = lru_cache(maxsize=1)(build_faces)


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
