"""Configuration of multitask training."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from faceml.config.base import (
    AbsolutePath,
    Config,
    Count,
    CountOrZero,
    Fraction,
    NonNegative,
    Positive,
    Seed,
    StorageUri,
)
from faceml.config.sections.losses import LossConfig
from faceml.config.sections.model import ModelConfig
from faceml.config.sections.runtime import LoggingConfig, StorageConfig
from faceml.config.sections.split import SplitConfig
from faceml.config.sections.tasks import TaskConfig, TasksConfig, default_tasks
from faceml.config.sections.tracking import MlflowTracking
from faceml.config.sections.weighting import UncertaintyWeighting, WeightingConfig, refuse_unknown_tasks


class AugmentationConfig(Config):
    """Random augmentation of training images; landmarks are transformed with the pixels."""

    flip_probability: Fraction = 0.5
    """Probability of a horizontal flip."""
    rotation_deg: Annotated[float, Field(ge=0.0, le=180.0)] = 12.0
    """Largest rotation in either direction, in degrees."""
    translation: Fraction = 0.06
    """Largest shift, as a fraction of the image's side."""
    scale: tuple[Positive, Positive] = (0.9, 1.1)
    """Smallest and largest zoom."""
    brightness: Fraction = 0.2
    contrast: Fraction = 0.2
    erasing_probability: Fraction = 0.0
    """Probability that a rectangle is erased (Zhong et al. 2020)."""
    erasing_area: tuple[Positive, Positive] = (0.02, 0.2)
    """Smallest and largest area of the rectangle, as a fraction of the image's."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"scale: {list(self.scale)} has its smallest zoom after its largest; swap them")
        if not self.erasing_area[0] <= self.erasing_area[1] <= 1:
            raise ValueError(
                f"erasing_area: {list(self.erasing_area)} must be a smaller and a larger fraction of an image"
            )
        return self


class MixingConfig(Config):
    """Mixing of training images, and of the classes they show, with others of their batch."""

    kind: Literal["mixup", "cutmix"]
    """`mixup` averages two images (Zhang et al. 2018), `cutmix` pastes a part of one into the other (Yun et
    al. 2019)."""
    alpha: Positive = 0.2
    """Parameter of the beta distribution of the share that is left of an image; 1: uniform."""
    probability: Fraction = 0.5
    """Probability that an image is mixed. Mixed images train classes and labels, and no other tasks."""


class LeakageConfig(Config):
    """Check for validation images that are also in the training split, or in that of the starting weights."""

    on_found: Literal["warn", "strict", "ignore"] = "warn"
    """`warn` lists them before training, `strict` refuses to train, `ignore` does not check."""
    max_hash_distance: Annotated[int, Field(strict=True, ge=0, le=8)] = 2
    """Largest number of differing bits, of 64, between the perceptual hashes of near-duplicates."""


class DataConfig(Config):
    """Training and validation images, and their preprocessing and sampling."""

    train: SplitConfig
    val: SplitConfig
    labels: tuple[str, ...] | None = None
    """Classes of the folders 0, 1, …, checked against the order of `classes`; null: not checked."""
    num_landmarks: Literal[5, 10] = 5
    """Points of the location of faces in their images and, if `tasks` is null, of the task `landmarks`."""
    image_size: Annotated[int, Field(strict=True, ge=32)] = 112
    """Side of the square to which images are resized, in px."""
    sampling: Literal["natural", "balanced", "sqrt"] = "natural"
    """Sampling of classes: by natural frequency, uniform, or by the square root of their counts."""
    sampling_task: str | None = None
    """Classification task whose classes are sampled; null: the first."""
    leakage: LeakageConfig = LeakageConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    mixing: MixingConfig | None = None
    """Mixing of training images with others of their batch; null: none."""
    loader_processes: CountOrZero = 0
    """Number of processes that decode images for each training worker; 0 decodes in the worker."""
    ingest: Literal["map", "stream"] = "map"
    """`map` samples training images in any order from the node's disk; `stream` reads them shard by shard
    with Ray Data, for data sets larger than a node's disk."""
    shuffle_buffer: Count = 2048
    """Number of images in the shuffle buffer of `stream`, besides the shuffled order of shards."""
    cache: AbsolutePath | None = None
    """Folder on each node for copies of a table's `image_jpeg`; null: `faceml` in the user's cache."""

    @model_validator(mode="after")
    def _streams_as_it_comes(self) -> Self:
        if self.ingest == "stream" and self.sampling != "natural":
            raise ValueError(
                f"data.ingest: stream has natural sampling only; sampling: {self.sampling} needs ingest: map"
            )
        return self


class AdamWConfig(Config):
    """AdamW (Loshchilov & Hutter 2019)."""

    name: Literal["adamw"]
    learning_rate: Positive = 3e-4
    """Learning rate of the backbone."""
    head_multiplier: Positive = 10.0
    """Learning rate of projection and heads, as a multiple of the backbone's."""
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
    """Settings of the training loop."""

    epochs: Count = 20
    """Number of epochs."""
    accumulate_batches: Count = 1
    """Number of batches whose gradients are accumulated for a step; batch norm statistics stay per batch."""
    warmup_epochs: NonNegative = 1.0
    """Number of epochs of linear learning rate warm-up, followed by cosine decay to zero."""
    freeze_backbone_epochs: CountOrZero = 0
    """Number of initial epochs in which only the heads are trained."""
    patience_epochs: Count | None = None
    """Early stopping after this number of epochs without a better value of `selection`; null: never."""
    max_grad_norm: Positive | None = None
    """Largest norm of the gradient, for clipping; null: no clipping."""
    ema_decay: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Decay of the exponential moving average of weights, evaluated and saved in their place; null: none."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "fp32"
    """Precision of forward and backward pass; auto: bf16 if the hardware has it, else fp32; fp16: GPUs."""
    channels_last: bool = False
    """Use the channels-last memory format, which is faster on GPUs and with bf16."""
    compile: bool = False
    """Compile the network with torch.compile: slow first steps, faster steps afterwards."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """Action for a non-finite gradient: stop the training or skip the step; both log the images."""
    log_every_steps: Count = 20
    """Number of steps between log lines of the losses, and between checks for non-finite gradients."""
    gradient_norms_every_steps: Count = 200
    """Number of steps between measurements of each task's gradient norm, from the first of each epoch."""

    @model_validator(mode="after")
    def _warms_up_in_time(self) -> Self:
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs:g} is longer than all {self.epochs} epochs")
        return self


class TrainingConfig(LoopConfig):
    """Settings of the multitask training loop."""

    batch_size_per_worker: Annotated[int, Field(strict=True, ge=2)] = 32
    """Number of images in a batch of each worker."""


class ScalingConfig(Config):
    """Workers of Ray Train."""

    num_train_workers: Count = 1
    """Number of training workers."""
    cpus_per_worker: Count = 1
    """Number of CPUs and PyTorch threads of each worker."""
    use_gpu: bool = False
    """Use one GPU for each worker."""
    wait_for_nodes_s: NonNegative = 0.0
    """Seconds to wait for missing nodes on a cluster that starts them on demand."""


def refuse_fp16_on_cpus(training: LoopConfig, scaling: ScalingConfig) -> None:
    """Refuse fp16 without a GPU.

    Raises:
        ValueError: The precision is fp16, and training uses CPUs.
    """
    if training.precision == "fp16" and not scaling.use_gpu:
        raise ValueError("training.precision: fp16 needs scaling.use_gpu: true; on CPUs use fp32 or auto")


class RunConfig(Config):
    """Location of the results."""

    folder: StorageUri
    """Folder of the results, a path or a URI such as `s3://bucket/runs/first`."""
    checkpoints_to_keep: Annotated[int, Field(strict=True, ge=2)] = 2
    """Number of best checkpoints to keep, besides the latest."""


class SelectionConfig(Config):
    """Metric that selects the best epoch, stops training early and compares trials."""

    metric: str
    """Metric of a task, such as `expression/macro_f1`."""
    mode: Literal["max", "min"] | None = None
    """Whether larger or smaller values are better; null: as the metric is defined."""


class TrainConfig(Config):
    """`faceml train`: training of a multitask model on landmark tables."""

    data: DataConfig
    model: ModelConfig = ModelConfig()
    tasks: TasksConfig | None = None
    """Tasks by name; null: `expression`, the class of the folder, and `landmarks`."""
    selection: SelectionConfig | None = None
    """Metric that selects the best epoch; null: the first task's own, such as the accuracy."""
    loss: LossConfig = LossConfig()
    """Losses without `tasks`; with them, each task has its own."""
    weighting: WeightingConfig = UncertaintyWeighting(kind="uncertainty")
    optimizer: OptimizerConfig = AdamWConfig(name="adamw")
    training: TrainingConfig = TrainingConfig()
    scaling: ScalingConfig = ScalingConfig()
    storage: StorageConfig = StorageConfig()
    logging: LoggingConfig = LoggingConfig()
    """Log format; in a search, the one of its `train` section applies to all trials."""
    run: RunConfig
    tracking: MlflowTracking | None = None
    """Experiment tracking, besides the run folder; null: none. Trials of a search are not tracked."""
    seed: Seed = 0

    @model_validator(mode="after")
    def _has_the_hardware(self) -> Self:
        refuse_fp16_on_cpus(self.training, self.scaling)
        return self

    @property
    def all_tasks(self) -> dict[str, TaskConfig]:
        """The tasks by name, those of a configuration without `tasks` included."""
        return self.tasks or default_tasks(self.loss, self.data.num_landmarks)

    @model_validator(mode="after")
    def _sets_tasks_in_one_place(self) -> Self:
        if self.tasks and self.loss != LossConfig():
            raise ValueError("loss: with `tasks` each task has its own; move it to tasks.NAME.loss")
        if self.data.sampling_task is not None and self.data.sampling_task not in self.all_tasks:
            raise ValueError(
                f"data.sampling_task: '{self.data.sampling_task}' is no task; there are "
                f"{', '.join(self.all_tasks)}"
            )
        refuse_unknown_tasks(self.weighting, self.all_tasks)
        return self

    @model_validator(mode="after")
    def _has_whole_steps(self) -> Self:
        whole = [name for name, task in self.all_tasks.items() if task.needs_whole_steps]
        if whole and self.training.accumulate_batches > 1:
            raise ValueError(
                f"tasks.{whole[0]}.loss needs all images of a step at once, which "
                f"training.accumulate_batches: {self.training.accumulate_batches} divides. Set it to 1"
            )
        return self

    @model_validator(mode="after")
    def _weighs_whole_steps(self) -> Self:
        if self.weighting.needs_whole_steps and self.training.accumulate_batches > 1:
            raise ValueError(
                f"weighting.kind: {self.weighting.kind} needs the losses of a whole step, which "
                f"training.accumulate_batches: {self.training.accumulate_batches} divides. Set it to 1"
            )
        return self

    @model_validator(mode="after")
    def _leaves_targets_of_all_tasks(self) -> Self:
        without = [name for name, task in self.all_tasks.items() if not task.can_be_mixed]
        if without and self.data.mixing is not None and self.data.mixing.probability == 1:
            raise ValueError(
                f"data.mixing.probability: 1 mixes every image, and tasks.{without[0]} cannot learn from "
                "mixed images. Set it below 1, such as 0.5, or remove this task"
            )
        return self
