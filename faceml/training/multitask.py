"""Multitask training, built from its configuration."""

from typing import Any

import numpy as np
import torch

from faceml.config import ConfigError, LearnedWeighting, TrainConfig
from faceml.datasets import ClassSampler, EpochBatches, EpochSampler, Preprocessing, build_mixing
from faceml.losses import build_weighting
from faceml.models import FOR_TRAINING, MultitaskFaceModel, build_multitask_model, translate_full_memory
from faceml.tasks import VALIDATION, select_score
from faceml.training.assembly import TrainingParts, build_trainer
from faceml.training.checkpoint import model_checkpoint
from faceml.training.evaluation import Evaluation
from faceml.training.faces import Faces, build_faces, steps_per_epoch
from faceml.training.loop import Trainer
from faceml.training.objective import MultitaskObjective
from faceml.training.observer import Metrics


@translate_full_memory(FOR_TRAINING)
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
        ConfigError: Backbone, data or starting weights cannot be used.
        StoppedError: There is not enough memory for the network.
    """
    torch.manual_seed(config.seed)
    faces = faces or build_faces(config)
    tasks, weighting = faces.tasks, config.weighting
    steps = steps_per_epoch(config, faces)
    preprocessing = Preprocessing(config.data.image_size)
    objective = MultitaskObjective(
        build_multitask_model(
            config.model,
            {name: task.build_head for name, task in tasks.items()},
            config.data.image_size,
        ),
        build_weighting(weighting, {name: task.likelihood for name, task in tasks.items()}, config.seed),
        preprocessing,
        tasks,
        faces.train.targets,
    )
    framing = faces.train.framing()

    def checkpoint(model: MultitaskFaceModel, metrics: Metrics) -> dict[str, Any]:
        return model_checkpoint(model, config.model_dump(mode="json"), preprocessing, tasks, metrics, framing)

    score = select_score(config.selection, config.all_tasks)
    parts = TrainingParts(
        train=faces.train,
        val=faces.val,
        sampler=build_sampler(config, faces, rank),
        batch_size=config.training.batch_size_per_worker,
        steps_per_epoch=steps,
        objective=objective,
        optimized=objective.model,
        evaluate=Evaluation(preprocessing, tasks, device),
        model_checkpoint=checkpoint,
        selected_by=score.metric.removeprefix(VALIDATION),
        is_minimised=score.minimised,
        weighting_learning_rate=weighting.learning_rate if isinstance(weighting, LearnedWeighting) else 0.0,
        mixing=build_mixing(config.data.mixing),
    )
    return build_trainer(config, parts, device, rank, train_batches)


def build_sampler(config: TrainConfig, faces: Faces, rank: int) -> EpochSampler:
    """Build the sampler of one worker.

    Raises:
        ConfigError: Classes are to be sampled, and the task has none.
    """
    data, workers = config.data, config.scaling.num_train_workers
    with_classes = [name for name, task in faces.tasks.items() if task.group_names]
    task = data.sampling_task or next(iter(with_classes), None)
    if data.sampling != "natural" and task not in with_classes:
        raise ConfigError(
            f"data.sampling: {data.sampling} needs a task with classes"
            + (f", which {task} has not." if task else ", and there is none. Use natural.")
        )
    groups = (
        np.zeros(len(faces.train), dtype=np.int8)
        if data.sampling == "natural" or task is None
        else faces.tasks[task].groups(faces.train.targets[task]).numpy()
    )
    return ClassSampler(groups, data.sampling, workers, rank, config.seed)
