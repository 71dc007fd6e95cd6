"""Training of face recognition, built from its configuration."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from faceml.config import ConfigError, RecognitionConfig, RecognitionDataConfig
from faceml.datasets import (
    AlignedPreprocessing,
    EpochSampler,
    PersonDataset,
    PKSampler,
    ShuffledSampler,
    VerificationPairs,
    pk_draws,
)
from faceml.losses import build_angular_margin
from faceml.models import FOR_TRAINING, FaceResNet, IdentityHead, build_face_resnet, translate_full_memory
from faceml.page import first_names
from faceml.tables import folder_columns
from faceml.training.assembly import TrainingParts, build_trainer
from faceml.training.loop import Trainer
from faceml.training.observer import Metrics
from faceml.training.recognition_objective import RecognitionObjective
from faceml.training.verification.scoring import Verification
from faceml.training.verification.verification_set import VerificationSet, open_pairs, open_people

METRIC_PREFIX = "verification"
"""Prefix of the names of metrics on people outside the training split."""


@dataclass(frozen=True)
class People:
    """The two splits of a training, and the pairs of the validation split to verify."""

    train: PersonDataset
    val: PersonDataset
    pairs: VerificationPairs

    @property
    def without_landmarks(self) -> dict[str, Any]:
        """See `VerificationSet.without_landmarks`."""
        return VerificationSet(self.val, self.pairs).without_landmarks


def build_people(config: RecognitionDataConfig) -> People:
    """Open both splits.

    Raises:
        ConfigError: A table, its images or the pairs cannot be used, or a person is in both splits.
    """
    preprocessing = AlignedPreprocessing(config.image_size)
    train = open_people(config.train, preprocessing, config.cache)
    of_file = config.pairs.file is not None
    val = open_people(config.val, preprocessing, config.cache, with_undetected=of_file)
    both = _people_of_both(train, val)
    if both:
        raise ConfigError(
            f"data.val.table: {len(both)} of its {len(val.people)} people are in data.train.table too "
            f"({first_names(both, 3)}). Validation needs people outside the training split: remove them from "
            "one split."
        )
    return People(train, val, open_pairs(config.pairs, val))


def _people_of_both(train: PersonDataset, val: PersonDataset) -> list[str]:
    """Return the names in both splits, without those of sources if only one of the tables has them."""
    kinds = {tuple(folder_columns(split.table)) for split in (train, val)}
    if len(kinds) > 1:
        return sorted(set(train.folders) & set(val.folders))
    return sorted(set(train.people) & set(val.people))


def build_recognition_sampler(config: RecognitionConfig, faces: PersonDataset, rank: int = 0) -> EpochSampler:
    """Build the sampler of one worker; both kinds have the same number of draws per epoch.

    Raises:
        ConfigError: There are fewer people than a step has.
    """
    _refuse_few_people(config, faces)
    data, workers = config.data, config.scaling.num_train_workers
    if data.sampling == "pk":
        return PKSampler(
            faces.labels.numpy(), data.people_per_batch, data.images_per_person, workers, rank, config.seed
        )
    return ShuffledSampler(len(faces), _draws(config, faces), workers, rank, config.seed)


def _refuse_few_people(config: RecognitionConfig, faces: PersonDataset) -> None:
    people_per_batch, workers = config.data.people_per_batch, config.scaling.num_train_workers
    if config.data.sampling == "pk" and len(faces.people) < people_per_batch * workers:
        raise ConfigError(
            f"data.people_per_batch = {people_per_batch}: a step of {workers} workers has that many "
            f"people each, data.train.table has {len(faces.people)}. Choose a smaller one."
        )


def _draws(config: RecognitionConfig, faces: PersonDataset) -> int:
    """Return the number of draws of each worker per epoch, the same for both kinds of samplers."""
    data = config.data
    people, workers = len(faces.people), config.scaling.num_train_workers
    return pk_draws(len(faces), people, data.people_per_batch, data.images_per_person, workers)


def recognition_steps(config: RecognitionConfig, faces: PersonDataset) -> int:
    """Return the number of steps per epoch; an incomplete last step is dropped.

    Raises:
        ConfigError: An epoch has fewer batches than a step, or there are fewer people than a step has.
    """
    _refuse_few_people(config, faces)
    batches = _draws(config, faces) // config.batch_size_per_worker
    accumulate = config.training.accumulate_batches
    if batches < accumulate:
        raise ConfigError(
            f"training.accumulate_batches = {accumulate}: an epoch has {batches} batches. Choose a smaller "
            "number."
        )
    return batches // accumulate


@translate_full_memory(FOR_TRAINING)
def build_recognition_trainer(
    config: RecognitionConfig, device: torch.device, rank: int = 0, people: People | None = None
) -> Trainer[FaceResNet]:
    """Build the trainer of one worker.

    Args:
        config: Configuration of the training.
        device: Device of this worker.
        rank: Rank of this worker, from 0 to `scaling.num_train_workers` - 1.
        people: Result of `build_people` for this training, if the splits are already open.

    Raises:
        ConfigError: Backbone, data or starting weights cannot be used.
        StoppedError: There is not enough memory for the network.
    """
    torch.manual_seed(config.seed)
    people = people or build_people(config.data)
    preprocessing = people.train.preprocessing
    objective = RecognitionObjective(
        build_face_resnet(config.model, config.data.image_size),
        IdentityHead(config.model.embedding_dim, len(people.train.people)),
        build_angular_margin(config.margin),
        preprocessing,
        config.margin_warmup_epochs,
    )
    heads = nn.ModuleList([objective.model.embedding_head, objective.head])

    def checkpoint(model: FaceResNet, metrics: Metrics) -> dict[str, Any]:
        return {
            "model_state_dict": model.state_dict(),
            "config": config.model_dump(mode="json"),
            "preprocessing": preprocessing.fingerprint(),
            "metrics": metrics,
        }

    parts = TrainingParts(
        train=people.train,
        val=people.val,
        sampler=build_recognition_sampler(config, people.train, rank),
        batch_size=config.batch_size_per_worker,
        steps_per_epoch=recognition_steps(config, people.train),
        objective=objective,
        optimized=nn.ModuleDict({"backbone": objective.model.backbone, "heads": heads}),
        evaluate=Verification(
            people.pairs,
            people.val.labels.numpy(),
            people.val.preprocessing,
            device,
            people.val.undetected,
        ),
        model_checkpoint=checkpoint,
        metric_prefix=METRIC_PREFIX,
    )
    return build_trainer(config, parts, device, rank)
