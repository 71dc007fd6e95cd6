"""One worker of a multitask training: what runs in each process of Ray Train's group."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ray.train
import ray.train.torch
import torch
from ray.util.queue import Queue

from faceml.config.loading import parse_config
from faceml.config.train import TrainConfig
from faceml.stopped import StoppedError
from faceml.training.multitask import build_faces, build_trainer
from faceml.training.observer import BrokenStep, EpochRecord, StepRecord
from faceml.training.run_folder import write_broken_step
from faceml.training.workers import device_name
from ray_jobs.face_stream import StreamedBatches

STREAM = "train"
"""What Ray Train calls the stream of training faces."""


def train_worker(settings: dict[str, Any]) -> None:
    """Train as one of the workers of a group."""
    config = parse_config(TrainConfig, settings["config"])
    torch.set_num_threads(config.scaling.cpus_per_worker)
    rank = ray.train.get_context().get_world_rank()
    device = ray.train.torch.get_device()
    trainer = build_trainer(config, device, rank, _streamed(config))
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            trainer.resume(Path(folder))
    if rank == 0:
        settings["events"].put_nowait(Start(device_name(device), trainer.epochs_done))
    observer = _RayTrainObserver(settings["events"], rank, config.run.folder)
    with observer:
        trainer.fit(config.training.epochs, observer)


def _streamed(config: TrainConfig) -> StreamedBatches | None:
    """Return this worker's share of the stream, None if faces are drawn from disk."""
    if config.data.ingest == "map":
        return None
    faces = build_faces(config.data)
    return StreamedBatches(
        ray.train.get_dataset_shard(STREAM),
        faces.train.image_ids,
        config.training.batch_size_per_worker,
        len(faces.train) // config.scaling.num_train_workers // config.training.batch_size_per_worker,
        config.data.shuffle_buffer,
        config.seed,
    )


@dataclass(frozen=True)
class Start:
    """The workers are there and begin, or go on.

    Attributes:
        device: What the first worker trains on.
        epochs_done: Before that.
    """

    device: str
    epochs_done: int


@dataclass(frozen=True)
class Stop:
    """Why the training cannot go on."""

    message: str


class _RayTrainObserver:
    """Report epochs to Ray Train, from all workers at once; rank 0 also brings checkpoint and events.

    As a context it tells of what stops the training: to Ray Train all errors are a worker's death.
    """

    def __init__(self, events: Queue, rank: int, run_folder: Path) -> None:
        self._events = events
        self._rank = rank
        self._run_folder = run_folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, StoppedError | OSError) and self._rank == 0:
            self._events.put(Stop(" ".join(str(error).split())))
        return isinstance(error, StoppedError)  # on all workers at the same moment; they end in peace

    def on_step(self, record: StepRecord) -> None:
        if self._rank == 0:
            self._events.put_nowait(record)

    def on_epoch(self, record: EpochRecord) -> None:
        reported = {"epoch": record.epoch, **record.metrics}
        if self._rank != 0:
            ray.train.report(reported)
            return
        # The record first: told twice it is replaced, but an epoch with a checkpoint is never trained again.
        self._events.put_nowait((record.epoch, record.metrics, record.confusion))
        with tempfile.TemporaryDirectory() as folder:
            record.save(Path(folder))
            ray.train.report(reported, checkpoint=ray.train.Checkpoint.from_directory(folder))

    def on_broken_step(self, record: BrokenStep) -> None:
        write_broken_step(record, self._rank, self._run_folder)
