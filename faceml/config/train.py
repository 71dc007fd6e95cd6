"""Configuration of multitask training."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from faceml.config.base import (
    AbsolutePath,
    Config,
    Count,
    CountOrZero,
    Fraction,
    InputStorage,
    NonNegative,
    Positive,
    Seed,
    StorageUri,
)
from faceml.config.losses import LossConfig, UncertaintyWeighting, WeightingConfig
from faceml.config.sections import LoggingConfig, ModelConfig, StorageConfig
from faceml.config.tracking import MlflowTracking


class SplitConfig(Config):
    """One split: its landmark table and its images."""

    table: InputStorage
    """Landmark table from `faceml extract`, a path or a URI such as `s3://bucket/tables/train`."""
    images: InputStorage | None = None
    """The folder that was extracted, a path or URI; null reads the copies in the table's `image_jpeg`."""


class AugmentationConfig(Config):
    """What a training face may look like; pixels and landmarks move together."""

    flip_probability: Fraction = 0.5
    rotation_deg: Annotated[float, Field(ge=0.0, le=180.0)] = 12.0
    """Largest rotation to either side."""
    translation: Fraction = 0.06
    """Largest shift, as a fraction of the image's side."""
    scale: tuple[Positive, Positive] = (0.9, 1.1)
    """Smallest and largest zoom."""
    brightness: Fraction = 0.2
    contrast: Fraction = 0.2

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"scale: {list(self.scale)} has its smallest zoom after its largest; swap them")
        return self


class LeakageConfig(Config):
    """Validation images that are in the training split too."""

    on_found: Literal["warn", "strict", "ignore"] = "warn"
    """`warn` counts and names them before training, `strict` refuses to train, `ignore` does not look."""
    max_hash_distance: Annotated[int, Field(strict=True, ge=0, le=8)] = 2
    """Bits of 64 in which perceptual hashes of near-duplicates differ, at most."""


class DataConfig(Config):
    """What the network sees."""

    train: SplitConfig
    val: SplitConfig
    labels: tuple[str, ...] | None = None
    """Expressions of the folders 0 to 7, checked against AffectNet's order; null: takes it for granted."""
    num_landmarks: Literal[5, 10] = 5
    image_size: Annotated[int, Field(strict=True, ge=32)] = 112
    """Side of the square that images are scaled to, px."""
    sampling: Literal["natural", "balanced", "sqrt"] = "natural"
    """How often each expression is drawn: as it comes, equally often, or by the square root of its faces."""
    leakage: LeakageConfig = LeakageConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    loader_processes: CountOrZero = 0
    """Processes that decode for each training worker; 0 decodes in the worker itself."""
    ingest: Literal["map", "stream"] = "map"
    """`map` draws training images in any order from this node's disk; `stream` lets Ray Data bring them,
    shard by shard, so that a node's disk need not hold them all."""
    shuffle_buffer: Count = 2048
    """Images among which `stream` draws, beside the shuffled order of shards."""
    cache: AbsolutePath | None = None
    """Folder on each node for the copies of a table's `image_jpeg`; null: faceml in the user's cache."""

    @model_validator(mode="after")
    def _streams_as_it_comes(self) -> Self:
        if self.ingest == "stream" and self.sampling != "natural":
            raise ValueError(
                f"data.ingest: stream takes images as they come; sampling: {self.sampling} needs ingest: map"
            )
        return self


class AdamWConfig(Config):
    """AdamW (Loshchilov & Hutter 2019)."""

    name: Literal["adamw"]
    learning_rate: Positive = 3e-4
    """Of the backbone."""
    head_multiplier: Positive = 10.0
    """Learning rate of projection and heads, in multiples of the backbone's."""
    weight_decay: NonNegative = 0.05
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Learning rate of each stage of the backbone, as a multiple of the next one's."""


class SGDConfig(Config):
    """Stochastic gradient descent with Nesterov momentum."""

    name: Literal["sgd"]
    learning_rate: Positive = 0.01
    head_multiplier: Positive = 10.0
    weight_decay: NonNegative = 5e-4
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    momentum: Fraction = 0.9


OptimizerConfig = Annotated[AdamWConfig | SGDConfig, Field(discriminator="name")]


class LoopConfig(Config):
    """How long, how fast, how often to look."""

    epochs: Count = 20
    accumulate_batches: Count = 1
    """Batches of each worker whose gradients make one step: as one large batch, but for batch norms."""
    warmup_epochs: NonNegative = 1.0
    """Learning rate rises linearly over these, then falls as a cosine to zero."""
    freeze_backbone_epochs: CountOrZero = 0
    """Epochs in which only the heads learn."""
    patience_epochs: Count | None = None
    """Ends after so many epochs without a better validation accuracy; null: never."""
    max_grad_norm: Positive | None = None
    """A longer gradient is scaled down to this length; null: never."""
    ema_decay: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """The exponential moving average of the weights is evaluated and kept in their stead; null: none."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of forward and backward pass; fp16 needs a GPU."""
    channels_last: bool = False
    """Keep channels next to each other in memory, as convolutions on GPUs and with bf16 want them."""
    compile: bool = False
    """Compile the network with torch.compile: a slower first step of each kind, faster ones after."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """A gradient with NaN or infinity stops the training or is left out; its images are named either way."""
    log_every_steps: Count = 20
    """Steps between two whose losses are told; then it is seen as well whether a gradient was not finite."""
    gradient_norms_every_steps: Count = 200
    """Steps between two looks at the gradient norm of each task, the first of every epoch among them."""

    @model_validator(mode="after")
    def _warms_up_in_time(self) -> Self:
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs:g} is longer than all {self.epochs} epochs")
        return self


class TrainingConfig(LoopConfig):
    """How long, how much at once, how often to look."""

    batch_size_per_worker: Annotated[int, Field(strict=True, ge=2)] = 32


class ScalingConfig(Config):
    """Workers of Ray Train."""

    num_train_workers: Count = 1
    cpus_per_worker: Count = 1
    """CPUs, and PyTorch threads, of each worker."""
    use_gpu: bool = False
    """One GPU for each worker."""
    wait_for_nodes_s: NonNegative = 0.0
    """For so long nodes are waited for that are missing, where a cluster starts them on demand."""


def refuse_fp16_on_cpus(training: LoopConfig, scaling: ScalingConfig) -> None:
    """Refuse a precision that only a GPU has.

    Raises:
        ValueError: Names the settings.
    """
    if training.precision == "fp16" and not scaling.use_gpu:
        raise ValueError("training.precision: fp16 needs scaling.use_gpu: true; on CPUs use bf16 or fp32")


class RunConfig(Config):
    """Where results go."""

    folder: StorageUri
    """A path or a URI such as `s3://bucket/runs/first`."""
    checkpoints_to_keep: Annotated[int, Field(strict=True, ge=2)] = 2
    """The best ones; the latest is kept beside them."""


class TrainConfig(Config):
    """`faceml train`: landmark tables become a multitask model."""

    data: DataConfig
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    weighting: WeightingConfig = UncertaintyWeighting(kind="uncertainty")
    optimizer: OptimizerConfig = AdamWConfig(name="adamw")
    training: TrainingConfig = TrainingConfig()
    scaling: ScalingConfig = ScalingConfig()
    storage: StorageConfig = StorageConfig()
    logging: LoggingConfig = LoggingConfig()
    """Of a search, that of its `train` section counts for all of it."""
    run: RunConfig
    tracking: MlflowTracking | None = None
    """Where the training is told of beside its run folder; null: nowhere. Trials of a search never are."""
    seed: Seed = 0

    @model_validator(mode="after")
    def _has_the_hardware(self) -> Self:
        refuse_fp16_on_cpus(self.training, self.scaling)
        return self

    @model_validator(mode="after")
    def _weighs_whole_steps(self) -> Self:
        if self.weighting.kind == "famo" and self.training.accumulate_batches > 1:
            raise ValueError(
                "weighting.kind: famo weighs by the losses of a whole step, and "
                f"training.accumulate_batches: {self.training.accumulate_batches} divides steps. Set it to 1"
            )
        return self
