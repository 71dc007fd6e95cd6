"""Assembly of a trainer from its configuration, common to multitask training and face recognition."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, Generic

import torch
import torch._functorch.config
from torch import nn

from faceml.config import RecognitionConfig, TrainConfig
from faceml.datasets import (
    EpochBatches,
    EpochSampler,
    FaceLoader,
    FaceSample,
    ImageMixing,
    LabelledFaces,
    SampledBatches,
    build_augmentation,
)
from faceml.models import ModelT, backbone_stages, speed_up_small_maps
from faceml.training.loop import Trainer
from faceml.training.objective import Objective
from faceml.training.observer import Evaluated, Metrics
from faceml.training.optimizer import build_optimizer, build_schedule
from faceml.training.options import TrainerOptions
from faceml.training.precision import choose_precision


@dataclass(frozen=True)
class TrainingParts(Generic[ModelT]):
    """Parts of a training that differ between multitask training and face recognition.

    Attributes:
        train: The training split.
        val: The validation split.
        sampler: Draws of this worker from the training split.
        batch_size: Faces per batch.
        steps_per_epoch: Updates of the parameters per epoch.
        objective: The objective; moved to the device by the assembly.
        optimized: Module with a submodule `backbone`, whose parameters the optimiser groups.
        evaluate: Measures a network on this worker's batches of the validation split.
        model_checkpoint: Returns the content of the model file, given the network and the epoch's metrics.
        metric_prefix: Prefix of the names of the evaluation's metrics.
        selected_by: Metric of the evaluation that selects the best epoch.
        is_minimised: Whether its lower values are better.
        weighting_learning_rate: Learning rate of the weighting's parameters, where it has any.
        mixing: Mixing of training images, where there is any.
    """

    train: LabelledFaces
    val: LabelledFaces
    sampler: EpochSampler
    batch_size: int
    steps_per_epoch: int
    objective: Objective[ModelT]
    optimized: nn.Module
    evaluate: Callable[[ModelT, Iterable[FaceSample]], Evaluated]
    model_checkpoint: Callable[[ModelT, Metrics], dict[str, Any]]
    metric_prefix: str = "val"
    selected_by: str = "accuracy"
    is_minimised: bool = False
    weighting_learning_rate: float = 0.0
    mixing: ImageMixing | None = None


def build_trainer(
    config: TrainConfig | RecognitionConfig,
    parts: TrainingParts[ModelT],
    device: torch.device,
    rank: int,
    train_batches: EpochBatches | None = None,
) -> Trainer[ModelT]:
    """Build the trainer of one worker.

    Args:
        config: Configuration of the training.
        parts: Parts of this kind of training.
        device: Device of this worker.
        rank: Rank of this worker.
        train_batches: This worker's batches; by default the sampler draws them from the training split.
    """
    training, scaling, steps = config.training, config.scaling, parts.steps_per_epoch
    objective = parts.objective.to(device)
    choose_kernels(objective.model, channels_last=training.channels_last, compiled=training.compile)
    loader_processes, pin_memory = config.data.loader_processes, scaling.use_gpu
    if train_batches is None:
        train_batches = SampledBatches(
            parts.train, parts.sampler, parts.batch_size, loader_processes, pin_memory=pin_memory
        )
    # A padding sampler would count some faces twice.
    share = range(rank, len(parts.val), scaling.num_train_workers)
    val_batches = FaceLoader(parts.val, parts.batch_size, loader_processes, share, pin_memory=pin_memory)
    stages = backbone_stages(config.model.backbone, objective.model.backbone, config.optimizer.layer_decay)
    optimizer = build_optimizer(
        config.optimizer, parts.optimized, stages, objective.weighting, parts.weighting_learning_rate
    )
    schedule = build_schedule(
        optimizer,
        round(training.warmup_epochs * steps),
        training.epochs * steps,
        training.freeze_backbone_epochs * steps,
    )
    names = {option.name for option in fields(TrainerOptions)}
    options = training.model_dump(include=names) | {"precision": choose_precision(training.precision, device)}
    return Trainer(
        objective,
        optimizer,
        schedule,
        train_batches,
        parts.train.names,
        build_augmentation(config.data.augmentation).to(device),
        lambda model: parts.evaluate(model, val_batches),
        parts.model_checkpoint,
        TrainerOptions(
            seed=config.seed,
            metric_prefix=parts.metric_prefix,
            selected_by=parts.selected_by,
            is_minimised=parts.is_minimised,
            **options,
        ),
        parts.mixing,
    )


def choose_kernels(network: nn.Module, *, channels_last: bool, compiled: bool) -> None:
    """Choose convolutions, memory format and compilation of a network without changing what it computes.

    On a CPU, convolutions of maps of at most 2 × 2 become matrix products.

    Args:
        network: The network on its device; names of parameters and buffers do not change.
        channels_last: Use the memory format that convolutions prefer on GPUs and in bf16.
        compiled: Generate kernels with `torch.compile`, at the first call for each kind of input.
    """
    if next(network.parameters()).device.type == "cpu":
        speed_up_small_maps(network)
    if channels_last:
        network.to(memory_format=torch.channels_last)
    if compiled:
        # By default the first backward pass may overwrite the graph's buffers, which rules out a second one.
        # PCGrad and the gradient norm of each task need a backward pass per task.
        torch._functorch.config.donated_buffer = False
        network.compile()
