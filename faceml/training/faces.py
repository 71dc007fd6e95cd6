"""The faces of a multitask training, and how many steps they fill."""

from dataclasses import dataclass

from faceml.config import ConfigError, DataConfig, TrainConfig
from faceml.datasets import FaceDataset, Preprocessing, refuse_other_order


@dataclass(frozen=True)
class Faces:
    """The two splits of a training."""

    train: FaceDataset
    val: FaceDataset


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
            FaceDataset(split.table, split.images, config.num_landmarks, preprocessing, config.cache)
            for split in (config.train, config.val)
        )
    )


def batches_per_epoch(config: TrainConfig, faces: Faces) -> int:
    """Return the whole batches that each worker has in an epoch."""
    return len(faces.train) // config.scaling.num_train_workers // config.training.batch_size_per_worker


def steps_per_epoch(config: TrainConfig, faces: Faces) -> int:
    """Return the steps of one epoch, what is left at its end and fills none being left out.

    Raises:
        ConfigError: The training split does not fill one batch, or the validation split is empty.
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
