"""Configuration of the training of face recognition."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from faceml.config.base import AbsolutePath, Config, Count, CountOrZero, InputFile, Seed
from faceml.config.sections.losses import ArcFaceMargin, MarginConfig
from faceml.config.sections.model import ModelConfig
from faceml.config.sections.runtime import LoggingConfig, StorageConfig
from faceml.config.sections.split import SplitConfig
from faceml.config.train import (
    AdamWConfig,
    AugmentationConfig,
    LeakageConfig,
    LoopConfig,
    OptimizerConfig,
    RunConfig,
    ScalingConfig,
    refuse_fp16_on_cpus,
)

AtLeastTwo = Annotated[int, Field(strict=True, ge=2)]


class PairsConfig(Config):
    """Pairs of validation images to verify."""

    file: InputFile | None = None
    """File in the format of LFW's pairs.txt, or with a line `image1 image2 1` (one person) or
    `image1 image2 0` (two people) for each pair, whose folds are ten consecutive parts; null samples
    pairs."""
    without_landmarks: Literal["average_face", "wrong"] = "average_face"
    """Pairs of `file` with an image in which no face was found: align it like the average face of the split,
    or count the pair as `wrong`. Sampled pairs have landmarks."""
    number: AtLeastTwo = 6000
    """Number of pairs to sample, half of the same person and half of two; fewer if there are not enough."""
    seed: Seed = 0
    """Random seed of the sampling, independent of the seed of the training."""


class RecognitionDataConfig(Config):
    """Training and validation images, and their sampling."""

    train: SplitConfig
    """Training split; each folder is a person."""
    val: SplitConfig
    """Validation split, of other people."""
    image_size: Annotated[int, Field(strict=True, ge=32)] = 112
    """Side of the aligned images, in px."""
    sampling: Literal["naive", "pk"] = "naive"
    """`naive` draws any images for a batch, `pk` K images of each of P people."""
    people_per_batch: AtLeastTwo = 16
    """P; a batch has P × K images with either sampling."""
    images_per_person: Count = 4
    """K."""
    pairs: PairsConfig = PairsConfig()
    leakage: LeakageConfig = LeakageConfig()
    augmentation: AugmentationConfig = AugmentationConfig(
        rotation_deg=0.0, translation=0.0, scale=(1.0, 1.0), brightness=0.0, contrast=0.0
    )
    """By default only horizontal flips, as in ArcFace."""
    loader_processes: CountOrZero = 0
    """Number of processes that decode images for each training worker; 0 decodes in the worker."""
    cache: AbsolutePath | None = None
    """Folder on each node for copies of a table's `image_jpeg`; null: `faceml` in the user's cache."""


class RecognitionConfig(Config):
    """`faceml transfer`: training of a face recognition network."""

    data: RecognitionDataConfig
    model: ModelConfig = ModelConfig()
    """Network; `weights` may be the best_model.pt of a multitask training."""
    margin: MarginConfig = ArcFaceMargin(kind="arcface")
    margin_warmup_epochs: CountOrZero = 0
    """Number of epochs over which the margin increases linearly from 0."""
    optimizer: OptimizerConfig = AdamWConfig(name="adamw")
    training: LoopConfig = LoopConfig()
    scaling: ScalingConfig = ScalingConfig()
    storage: StorageConfig = StorageConfig()
    logging: LoggingConfig = LoggingConfig()
    """Log format; in a study, the one of its `recognition` section applies to all trainings."""
    run: RunConfig
    seed: Seed = 0

    @model_validator(mode="after")
    def _has_the_hardware(self) -> Self:
        refuse_fp16_on_cpus(self.training, self.scaling)
        return self

    @property
    def batch_size_per_worker(self) -> int:
        """P × K."""
        return self.data.people_per_batch * self.data.images_per_person
