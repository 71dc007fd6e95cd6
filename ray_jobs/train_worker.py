"""One worker of a multitask training: what runs in each process of Ray Train's group."""

import tempfile
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch
from ray.util.queue import Queue

from faceml.config.loading import parse_config
from faceml.config.train import TrainConfig
from faceml.training.multitask import build_trainer
from faceml.training.observer import EpochRecord, StepRecord


def train_worker(settings: dict[str, Any]) -> None:
    """Train as one of the workers of a group."""
    config = parse_config(TrainConfig, settings["config"])
    torch.set_num_threads(config.scaling.cpus_per_worker)
    rank = ray.train.get_context().get_world_rank()
    trainer = build_trainer(config, ray.train.torch.get_device(), rank)
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            trainer.resume(Path(folder))
    trainer.fit(config.training.epochs, _RayTrainObserver(settings["events"], rank))


class _RayTrainObserver:
    """Report epochs to Ray Train, from all workers at once; rank 0 also brings checkpoint and events."""

    def __init__(self, events: Queue, rank: int) -> None:
        self._events = events
        self._rank = rank

    def on_step(self, record: StepRecord) -> None:
        if self._rank == 0:
            self._events.put_nowait(record)

    def on_epoch(self, record: EpochRecord) -> None:
        reported = {"epoch": record.epoch, **record.metrics}
        if self._rank != 0:
            ray.train.report(reported)
            return
        # The record first: told twice it is replaced, but an epoch with a checkpoint is never trained again.
        self._events.put_nowait((record.epoch, record.metrics))
        with tempfile.TemporaryDirectory() as folder:
            record.save(Path(folder))
            ray.train.report(reported, checkpoint=ray.train.Checkpoint.from_directory(folder))
