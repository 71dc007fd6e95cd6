"""Multitask training of expression and landmarks, built from its configuration."""

from typing import Any

import torch

from faceml.config import LearnedWeighting, TrainConfig
from faceml.datasets import EXPRESSIONS, EpochBatches, ExpressionSampler, Preprocessing
from faceml.losses import build_class_weights, build_landmark_loss, build_weighting
from faceml.models import MultitaskFaceModel, build_multitask_model
from faceml.tables import LANDMARK_SETS
from faceml.training.assembly import TrainingParts, build_trainer
from faceml.training.checkpoint import model_checkpoint
from faceml.training.evaluation import Evaluation
from faceml.training.faces import Faces, build_faces, steps_per_epoch
from faceml.training.loop import Trainer
from faceml.training.objective import MultitaskObjective
from faceml.training.observer import Metrics


def build_multitask_trainer(
    config: TrainConfig,
    device: torch.device,
    rank: int = 0,
    faces: Faces | None = None,
    train_batches: EpochBatches | None = None,
) -> Trainer[MultitaskFaceModel]:
    """Build the trainer of one worker.

    Args:
        config: Configuration of the training.
        device: Device of this worker.
        rank: Rank of this worker, from 0 to `scaling.num_train_workers` - 1.
        faces: Result of `build_faces` for this training, if the splits are already open.
        train_batches: This worker's batches with `data.ingest: stream`; by default they are drawn from the
            training split.

    Raises:
        ConfigError: Data or starting weights cannot be used.
    """
    torch.manual_seed(config.seed)
    faces = faces or build_faces(config.data)
    data, weighting = config.data, config.weighting
    steps = steps_per_epoch(config, faces)
    preprocessing, landmark_set = Preprocessing(data.image_size), LANDMARK_SETS[data.num_landmarks]
    objective = MultitaskObjective(
        build_multitask_model(config.model, data.num_landmarks, len(EXPRESSIONS)),
        build_weighting(weighting, config.seed),
        preprocessing,
        build_class_weights(config.loss, faces.train.class_counts()),
        config.loss.label_smoothing,
        config.loss.focal_gamma,
        build_landmark_loss(config.loss.landmarks),
    )
    framing = faces.train.framing()

    def checkpoint(model: MultitaskFaceModel, metrics: Metrics) -> dict[str, Any]:
        plain = config.model_dump(mode="json")
        return model_checkpoint(model, plain, preprocessing, landmark_set, metrics, framing)

    parts = TrainingParts(
        train=faces.train,
        val=faces.val,
        sampler=ExpressionSampler(
            faces.train.labels.tolist(), data.sampling, config.scaling.num_train_workers, rank, config.seed
        ),
        batch_size=config.training.batch_size_per_worker,
        steps_per_epoch=steps,
        landmark_set=landmark_set,
        objective=objective,
        optimized=objective.model,
        evaluate=Evaluation(preprocessing, landmark_set, len(EXPRESSIONS), device),
        model_checkpoint=checkpoint,
        weighting_learning_rate=weighting.learning_rate if isinstance(weighting, LearnedWeighting) else 0.0,
    )
    return build_trainer(config, parts, device, rank, train_batches)
