"""One worker of a training: what runs in each process of Ray Train's group."""

import logging
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray.train
import ray.train.torch
import torch
from ray.train.collective import barrier

from faceml.config import TrainConfig, parse_config
from faceml.datasets import WatchedBatches
from faceml.runs import epoch_record, read_metrics, write_broken_step, write_metrics
from faceml.storage import StorageFolder
from faceml.training import (
    BrokenStep,
    EpochRecord,
    Faces,
    StepRecord,
    batches_per_epoch,
    build_faces,
    device_name,
    set_up_process,
)
from ray_jobs.cluster import EventSender, set_up_log
from ray_jobs.training.checkpoints import checkpoint_in, new_checkpoint
from ray_jobs.training.stream import StreamedBatches

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from faceml.training import Trainer

STREAM = "train"
"""What Ray Train calls the stream of training faces."""
PROGRESS_EVERY_S = 5.0
"""Metrics are exported half as often; to tell takes milliseconds."""


def train_worker(settings: dict[str, Any]) -> None:
    """Train expression and landmarks as one of the workers of a group."""
    # Imported late: networks and metrics take seconds, and the driver, which names this function, has no use
    # for them.
    from faceml.training import build_trainer

    config = parse_config(TrainConfig, settings["config"])
    rank = ray.train.get_context().get_world_rank()
    set_up_log(config.logging.format, "train", config.run.folder, rank)
    device = ray.train.torch.get_device()
    set_up_process(device, config.scaling.cpus_per_worker, config.data.loader_processes)
    faces = build_faces(config.data)
    streamed = _streamed(config, faces) if config.data.ingest == "stream" else None
    trainer = build_trainer(config, device, rank, faces, streamed)
    fit_in_group(trainer, config.training.epochs, device, settings["events"], config.run.folder)


def fit_in_group(
    trainer: "Trainer[Any]", epochs: int, device: torch.device, events: EventSender, run_folder: str
) -> None:
    """Train as a worker of a group, from its last checkpoint if there is one."""
    rank = ray.train.get_context().get_world_rank()
    batches = trainer.train_faces = WatchedBatches(trainer.train_faces)
    observer = _RayTrainObserver(events, rank, StorageFolder(run_folder), batches)
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            trainer.resume(Path(folder))
            observer.resume(Path(folder))
    observer.start(device_name(device))
    logger.info("Training on %s from epoch %d", device_name(device), trainer.epochs_done + 1)
    trainer.fit(epochs, observer)


def _streamed(config: TrainConfig, faces: Faces) -> StreamedBatches:
    """Return this worker's share of the stream."""
    return StreamedBatches(
        ray.train.get_dataset_shard(STREAM),
        faces.train.image_ids,
        config.training.batch_size_per_worker,
        batches_per_epoch(config, faces),
        config.data.shuffle_buffer,
        config.seed,
    )


@dataclass(frozen=True)
class Start:
    """The workers are there and begin, or go on.

    Attributes:
        device: What the first worker trains on.
        records: Of the epochs that are done.
    """

    device: str
    records: list[dict[str, Any]]


@dataclass(frozen=True)
class WorkerProgress:
    """What one worker has done since it told the last time.

    Attributes:
        rank: Of the worker.
        node: Host name of its node.
        images: That it took.
        waited_s: Seconds until they were there.
    """

    rank: int
    node: str
    images: int
    waited_s: float


class _RayTrainObserver:
    """Report epochs to Ray Train, from all workers at once; rank 0 also brings checkpoint and events."""

    def __init__(
        self, events: EventSender, rank: int, run_folder: StorageFolder, batches: WatchedBatches
    ) -> None:
        self._events = events
        self._rank = rank
        self._run_folder = run_folder
        self._batches = batches
        self._told_images, self._told_waited_s = 0, 0.0
        self._told_s = time.monotonic()
        self._records: list[dict[str, Any]] = []

    def resume(self, folder: Path) -> None:
        """Go back to the moment of a checkpoint, of which the driver may have missed something."""
        self._records = read_metrics(folder)

    def start(self, device: str) -> None:
        """Tell that training begins, or goes on."""
        if self._rank == 0:
            self._events.send(Start(device, list(self._records)))

    def on_step(self, record: StepRecord) -> None:
        if time.monotonic() - self._told_s >= PROGRESS_EVERY_S:
            self._tell_progress()
        if self._rank == 0:
            self._events.send(record)

    def on_epoch(self, record: EpochRecord) -> None:
        self._tell_progress()
        checkpoint = None
        if self._rank == 0:
            self._events.send((record.epoch, record.metrics, record.confusion))
            checkpoint = self._write_checkpoint(record)
        ray.train.report(
            {"epoch": record.epoch, **record.metrics},
            checkpoint=checkpoint,
            checkpoint_upload_mode=ray.train.CheckpointUploadMode.NO_UPLOAD,
        )

    def _tell_progress(self) -> None:
        images, waited_s = self._batches.images, self._batches.waited_s
        if images > self._told_images:
            progress = (images - self._told_images, waited_s - self._told_waited_s)
            self._events.send(WorkerProgress(self._rank, socket.gethostname(), *progress))
            self._told_images, self._told_waited_s = images, waited_s
            self._told_s = time.monotonic()

    def _write_checkpoint(self, record: EpochRecord) -> ray.train.Checkpoint:
        """Write where Ray Train keeps it: its own copying is not whole or not at all."""
        self._records.append(epoch_record(record.epoch, record.metrics, record.confusion))
        with new_checkpoint(self._run_folder, record.epoch) as folder:
            record.save(folder)
            write_metrics(self._records, folder)
        return checkpoint_in(self._run_folder, record.epoch)

    def on_broken_step(self, record: BrokenStep) -> None:
        write_broken_step(record, self._rank, self._run_folder)
        barrier()  # the first worker that stops takes the others with it
