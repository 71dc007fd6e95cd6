"""Assembling the training of recognition from its configuration."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset

from faceml.config import ConfigError, RecognitionConfig, RecognitionDataConfig
from faceml.datasets import (
    ALIGNED_BY,
    AlignedPreprocessing,
    EpochSampler,
    FaceSample,
    PersonDataset,
    PKSampler,
    Preprocessing,
    SampledBatches,
    ShuffledSampler,
    VerificationPairs,
    build_augmentation,
    draw_pairs,
    read_pairs,
)
from faceml.losses import build_angular_margin
from faceml.models import FaceResNet, IdentityHead, build_face_resnet
from faceml.page import first_names
from faceml.tables import LANDMARK_SETS
from faceml.training.kernels import choose_kernels
from faceml.training.loop import Trainer, TrainerOptions
from faceml.training.observer import Metrics
from faceml.training.optimizer import build_optimizer, build_schedule
from faceml.training.recognition_objective import RecognitionObjective
from faceml.training.verification import Verification

MEASURED = "verification"
"""What comes before the names of metrics on people who are not trained on."""


@dataclass(frozen=True)
class People:
    """The two splits of a training, and the pairs of the second that are verified."""

    train: PersonDataset
    val: PersonDataset
    pairs: VerificationPairs


def build_people(config: RecognitionDataConfig) -> People:
    """Open both splits.

    Raises:
        ConfigError: A table, its images or the pairs cannot be used, or a person is in both splits.
    """
    preprocessing = AlignedPreprocessing(config.image_size)
    train, val = (
        PersonDataset(split.table, split.images, preprocessing, config.cache)
        for split in (config.train, config.val)
    )
    both = sorted(set(train.people) & set(val.people))
    if both:
        raise ConfigError(
            f"data.val.table: {len(both)} of its {len(val.people)} people are in data.train.table too "
            f"({first_names(both, 3)}). A network is measured on people whom it has never seen: leave them "
            "out of one."
        )
    pairs = config.pairs
    found = (
        read_pairs(pairs.file, val.image_ids)
        if pairs.file
        else draw_pairs(val.labels.tolist(), pairs.number, pairs.seed)
    )
    return People(train, val, found)


def recognition_sampler(config: RecognitionConfig, faces: PersonDataset, rank: int = 0) -> EpochSampler:
    """Return what draws the images of a worker; both kinds draw as many in an epoch.

    Raises:
        ConfigError: There are fewer people than a step has.
    """
    data, workers = config.data, config.scaling.num_train_workers
    if len(faces.people) < data.people_per_batch * workers:
        raise ConfigError(
            f"data.people_per_batch = {data.people_per_batch}: a step of {workers} workers has that many "
            f"people each, data.train.table has {len(faces.people)}. Choose a smaller one."
        )
    together = PKSampler(
        faces.labels.tolist(), data.people_per_batch, data.images_per_person, workers, rank, config.seed
    )
    if data.sampling == "pk":
        return together
    return ShuffledSampler(len(faces), len(together), workers, rank, config.seed)


def recognition_steps(config: RecognitionConfig, faces: PersonDataset) -> int:
    """Return the steps of one epoch, what is left at its end and fills none being left out.

    Raises:
        ConfigError: An epoch has fewer batches than a step, or there are fewer people than a step has.
    """
    batches = len(recognition_sampler(config, faces)) // config.batch_size_per_worker
    accumulate = config.training.accumulate_batches
    if batches < accumulate:
        raise ConfigError(
            f"training.accumulate_batches = {accumulate}: an epoch has {batches} batches. Choose a smaller "
            "number."
        )
    return batches // accumulate


def build_recognition_trainer(
    config: RecognitionConfig, device: torch.device, rank: int = 0, people: People | None = None
) -> Trainer[FaceResNet]:
    """Build the training of one worker.

    Args:
        config: Of the whole training.
        device: Of this worker.
        rank: This worker's number, from 0 to `scaling.num_train_workers` - 1.
        people: What `build_people` returned for this training, if it is open already.

    Raises:
        ConfigError: Data or starting weights cannot be used.
    """
    torch.manual_seed(config.seed)
    people = people or build_people(config.data)
    preprocessing, training = people.train.preprocessing, config.training
    objective = RecognitionObjective(
        build_face_resnet(config.model),
        IdentityHead(config.model.embedding_dim, len(people.train.people)),
        build_angular_margin(config.margin),
        preprocessing,
        config.margin_warmup_epochs,
    ).to(device)
    choose_kernels(objective.model, channels_last=training.channels_last, compiled=training.compile)
    for faces in (people.train, people.val):
        faces.prepare()
    batches = SampledBatches(
        people.train,
        recognition_sampler(config, people.train, rank),
        config.batch_size_per_worker,
        config.data.loader_processes,
        pin_memory=config.scaling.use_gpu,
    )
    steps = recognition_steps(config, people.train)
    heads = nn.ModuleList([objective.model.embedding_head, objective.head])
    learning = nn.ModuleDict({"backbone": objective.model.backbone, "heads": heads})
    optimizer = build_optimizer(config.optimizer, learning, objective.weighting, 0.0)
    schedule = build_schedule(
        optimizer,
        round(training.warmup_epochs * steps),
        training.epochs * steps,
        training.freeze_backbone_epochs * steps,
    )
    names = {option.name for option in fields(TrainerOptions)}
    return Trainer(
        objective,
        optimizer,
        schedule,
        batches,
        people.train.image_ids,
        build_augmentation(config.data.augmentation, LANDMARK_SETS[ALIGNED_BY]).to(device),
        _evaluation(config, people, rank, device),
        partial(_checkpoint, config, preprocessing),
        TrainerOptions(seed=config.seed, measured=MEASURED, **training.model_dump(include=names)),
    )


def _evaluation(
    config: RecognitionConfig, people: People, rank: int, device: torch.device
) -> Callable[[FaceResNet], Any]:
    verification = Verification(people.pairs, people.val.labels.numpy(), people.val.preprocessing, device)
    share: Any = Subset(people.val, range(rank, len(people.val), config.scaling.num_train_workers))
    batches: DataLoader[FaceSample] = DataLoader(
        share,
        config.batch_size_per_worker,
        num_workers=config.data.loader_processes,
        pin_memory=config.scaling.use_gpu,
    )
    return partial(verification, batches=batches)


def _checkpoint(
    config: RecognitionConfig, preprocessing: Preprocessing, model: FaceResNet, metrics: Metrics
) -> dict[str, Any]:
    """Return the content of `best_model.pt`: all that is needed to embed faces, and how good it was."""
    return {
        "model_state_dict": model.state_dict(),
        "config": config.model_dump(mode="json"),
        "preprocessing": preprocessing.fingerprint(),
        "metrics": metrics,
    }
