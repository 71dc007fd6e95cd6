"""Assembling multitask training from its configuration."""

from dataclasses import fields
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader, Subset

from faceml.config import LearnedWeighting, TrainConfig
from faceml.datasets import (
    EXPRESSIONS,
    EpochBatches,
    ExpressionSampler,
    FaceDataset,
    FaceSample,
    Preprocessing,
    SampledBatches,
    build_augmentation,
)
from faceml.losses import build_class_weights, build_landmark_loss, build_weighting
from faceml.models import MultitaskFaceModel, build_multitask_model
from faceml.tables import LANDMARK_SETS
from faceml.training.checkpoint import model_checkpoint
from faceml.training.evaluation import Evaluation
from faceml.training.faces import Faces, build_faces, steps_per_epoch
from faceml.training.kernels import choose_kernels
from faceml.training.loop import Trainer, TrainerOptions
from faceml.training.objective import MultitaskObjective
from faceml.training.observer import Metrics
from faceml.training.optimizer import build_optimizer, build_schedule


def build_trainer(
    config: TrainConfig,
    device: torch.device,
    rank: int = 0,
    faces: Faces | None = None,
    train_faces: EpochBatches | None = None,
) -> Trainer[MultitaskFaceModel]:
    """Build the training of one worker.

    Args:
        config: Of the whole training.
        device: Of this worker.
        rank: This worker's number, from 0 to `scaling.num_train_workers` - 1.
        faces: What `build_faces` returned for this training, if it is open already.
        train_faces: This worker's batches, for `data.ingest: stream`; by default they are drawn from the
            training split.

    Raises:
        ConfigError: Data or starting weights cannot be used.
    """
    torch.manual_seed(config.seed)
    faces = faces or build_faces(config.data)
    steps = steps_per_epoch(config, faces)
    preprocessing, landmark_set = (
        Preprocessing(config.data.image_size),
        LANDMARK_SETS[config.data.num_landmarks],
    )
    objective = MultitaskObjective(
        build_multitask_model(config.model, config.data.num_landmarks, len(EXPRESSIONS)),
        build_weighting(config.weighting, config.seed),
        preprocessing,
        build_class_weights(config.loss, faces.train.class_counts()),
        config.loss.label_smoothing,
        config.loss.focal_gamma,
        build_landmark_loss(config.loss.landmarks),
    ).to(device)
    training = config.training
    choose_kernels(objective.model, channels_last=training.channels_last, compiled=training.compile)
    optimizer = build_optimizer(
        config.optimizer,
        objective.model,
        objective.weighting,
        config.weighting.learning_rate if isinstance(config.weighting, LearnedWeighting) else 0.0,
    )
    evaluation = Evaluation(preprocessing, landmark_set, len(EXPRESSIONS), device)
    val_faces = _val_batches(config, faces.val, rank)

    framing = faces.train.framing()

    def checkpoint(model: MultitaskFaceModel, metrics: Metrics) -> dict[str, Any]:
        plain = config.model_dump(mode="json")
        return model_checkpoint(model, plain, preprocessing, landmark_set, metrics, framing)

    schedule = build_schedule(
        optimizer,
        round(training.warmup_epochs * steps),
        training.epochs * steps,
        training.freeze_backbone_epochs * steps,
    )
    names = {option.name for option in fields(TrainerOptions)}
    options = TrainerOptions(seed=config.seed, **training.model_dump(include=names))
    return Trainer(
        objective,
        optimizer,
        schedule,
        _train_batches(config, faces.train, rank) if train_faces is None else train_faces,
        faces.train.image_ids,
        build_augmentation(config.data.augmentation, landmark_set).to(device),
        partial(evaluation, batches=val_faces),
        checkpoint,
        options,
    )


def _train_batches(config: TrainConfig, faces: FaceDataset, rank: int) -> SampledBatches:
    faces.prepare()
    scaling, labels = config.scaling, faces.labels.tolist()
    return SampledBatches(
        faces,
        ExpressionSampler(labels, config.data.sampling, scaling.num_train_workers, rank, config.seed),
        config.training.batch_size_per_worker,
        config.data.loader_processes,
        pin_memory=scaling.use_gpu,
    )


def _val_batches(config: TrainConfig, faces: FaceDataset, rank: int) -> DataLoader[FaceSample]:
    faces.prepare()
    # Every worker has its own faces and none is counted twice, as a padding sampler would.
    share: Any = Subset(faces, range(rank, len(faces), config.scaling.num_train_workers))
    return DataLoader(
        share,
        config.training.batch_size_per_worker,
        num_workers=config.data.loader_processes,
        pin_memory=config.scaling.use_gpu,
    )
