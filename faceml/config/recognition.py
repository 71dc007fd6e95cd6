"""Configuration of the training of face recognition."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from faceml.config.base import AbsolutePath, Config, Count, CountOrZero, InputFile, Seed
from faceml.config.losses import ArcFaceMargin, MarginConfig
from faceml.config.sections import LoggingConfig, ModelConfig, StorageConfig
from faceml.config.train import (
    AdamWConfig,
    AugmentationConfig,
    LoopConfig,
    OptimizerConfig,
    RunConfig,
    ScalingConfig,
    SplitConfig,
    refuse_fp16_on_cpus,
)

AtLeastTwo = Annotated[int, Field(strict=True, ge=2)]


class PairsConfig(Config):
    """Pairs of validation images to verify."""

    file: InputFile | None = None
    """In the format of LFW's pairs.txt; null draws them."""
    number: AtLeastTwo = 6000
    """To draw, half of one person, half of two; fewer where there are not as many."""
    seed: Seed = 0
    """Of the draw; the training's own seed does not change it."""


class RecognitionDataConfig(Config):
    """Who the network sees."""

    train: SplitConfig
    """Its folders are people."""
    val: SplitConfig
    """Of other people."""
    image_size: Annotated[int, Field(strict=True, ge=32)] = 112
    """Side of the aligned square, px."""
    sampling: Literal["pk", "naive"] = "pk"
    """`pk` draws several images of several people for each batch, `naive` any images."""
    people_per_batch: AtLeastTwo = 16
    """P; a batch of either sampling has P × K images."""
    images_per_person: Count = 4
    """K."""
    pairs: PairsConfig = PairsConfig()
    augmentation: AugmentationConfig = AugmentationConfig(
        rotation_deg=0.0, translation=0.0, scale=(1.0, 1.0), brightness=0.0, contrast=0.0
    )
    """Aligned faces are mirrored, as ArcFace's authors do, and left as they are otherwise."""
    loader_processes: CountOrZero = 0
    """Processes that decode for each training worker; 0 decodes in the worker itself."""
    cache: AbsolutePath | None = None
    """Folder on each node for the copies of a table's `image_jpeg`; null: faceml in the user's cache."""


class RecognitionConfig(Config):
    """`faceml transfer`: photographs of people become a network that tells them apart."""

    data: RecognitionDataConfig
    model: ModelConfig = ModelConfig()
    """`weights` may be the best_model.pt of a multitask training."""
    margin: MarginConfig = ArcFaceMargin(kind="arcface")
    margin_warmup_epochs: CountOrZero = 0
    """The margin grows linearly from 0 over these."""
    optimizer: OptimizerConfig = AdamWConfig(name="adamw")
    training: LoopConfig = LoopConfig()
    scaling: ScalingConfig = ScalingConfig()
    storage: StorageConfig = StorageConfig()
    logging: LoggingConfig = LoggingConfig()
    """Of a study, that of its `recognition` section counts for all of it."""
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
