"""Training worker: the function that each process of Ray Train's worker group runs."""

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

from faceml.config import RecognitionConfig, TrainConfig, parse_config
from faceml.datasets import WatchedBatches
from faceml.runs import epoch_record, read_metrics, write_metrics, write_nonfinite_step
from faceml.storage import StorageFolder
from faceml.training import (
    EpochRecord,
    NonFiniteStep,
    StepRecord,
    batches_per_epoch,
    build_faces,
    choose_precision,
    device_name,
    set_up_process,
    slow_precision_warning,
)
from ray_jobs.cluster import EventSender, set_up_log
from ray_jobs.training.checkpoint_list import checkpoint_in, new_checkpoint
from ray_jobs.training.stream import StreamedBatches

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from faceml.training import Trainer

STREAM = "train"
"""Name of the stream of training faces among Ray Train's data sets."""
PROGRESS_EVERY_S = 5.0
"""Seconds between progress events; sending one takes milliseconds. Ray exports metrics every ten seconds."""


def train_worker(settings: dict[str, Any]) -> None:
    """Train as one of the workers of a group, from the last checkpoint if there is one.

    Args:
        settings: `kind`, the class of the configuration; `config`, the configuration as plain values; and
            `events`, the driver's event sender.
    """
    config: TrainConfig | RecognitionConfig = parse_config(settings["kind"], settings["config"])
    rank = ray.train.get_context().get_world_rank()
    command = "train" if isinstance(config, TrainConfig) else "transfer"
    set_up_log(config.logging.format, command, config.run.folder, rank)
    device = ray.train.torch.get_device()
    set_up_process(device, config.scaling.cpus_per_worker, config.data.loader_processes)
    trainer = _build_trainer(config, device, rank)
    batches = trainer.train_batches = WatchedBatches(trainer.train_batches)
    observer = _RayTrainObserver(settings["events"], rank, StorageFolder(config.run.folder), batches)
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            trainer.resume(Path(folder))
            observer.resume(Path(folder))
    precision = choose_precision(config.training.precision, device)
    observer.on_start(device_name(device), precision, slow_precision_warning(precision, device))
    logger.info("Training on %s from epoch %d", device_name(device), trainer.epochs_done + 1)
    trainer.fit(config.training.epochs, observer)


def _build_trainer(
    config: TrainConfig | RecognitionConfig, device: torch.device, rank: int
) -> "Trainer[Any]":
    # Imported here because networks and metrics take seconds to import, and the driver, which imports this
    # module, does not need them.
    from faceml.training import build_multitask_trainer, build_recognition_trainer

    if isinstance(config, RecognitionConfig):
        return build_recognition_trainer(config, device, rank)
    faces, streamed = build_faces(config), None
    if config.data.ingest == "stream":
        streamed = StreamedBatches(
            ray.train.get_dataset_shard(STREAM),
            faces.train,
            config.training.batch_size_per_worker,
            batches_per_epoch(config, faces),
            config.data.shuffle_buffer,
            config.seed,
        )
    return build_multitask_trainer(config, device, rank, faces, streamed)


@dataclass(frozen=True)
class Start:
    """Event at the start of the workers, or at their restart from a checkpoint.

    Attributes:
        device: Name of the first worker's device.
        precision: Precision in which it trains.
        warning: Warning about this precision, or None.
        records: Records of the epochs already done.
    """

    device: str
    precision: str
    warning: str | None
    records: list[dict[str, Any]]


@dataclass(frozen=True)
class WorkerProgress:
    """Progress of one worker since its last event.

    Attributes:
        rank: Rank of the worker.
        node: Host name of its node.
        images: Number of images trained on.
        waited_s: Seconds spent waiting for them.
    """

    rank: int
    node: str
    images: int
    waited_s: float


class _RayTrainObserver:
    """Report epochs to Ray Train from all workers at once; rank 0 also saves checkpoints and sends events."""

    def __init__(
        self, events: EventSender, rank: int, run_folder: StorageFolder, batches: WatchedBatches
    ) -> None:
        self._events = events
        self._rank = rank
        self._run_folder = run_folder
        self._batches = batches
        self._sent_images, self._sent_waited_s = 0, 0.0
        self._sent_s = time.monotonic()
        self._records: list[dict[str, Any]] = []

    def resume(self, folder: Path) -> None:
        """Read the records in a checkpoint, some of which may not have reached the driver."""
        self._records = read_metrics(folder)

    def on_start(self, device: str, precision: str, warning: str | None) -> None:
        """Send the start of training, or its continuation."""
        if self._rank == 0:
            self._events.send(Start(device, precision, warning, list(self._records)))

    def on_step(self, record: StepRecord) -> None:
        if time.monotonic() - self._sent_s >= PROGRESS_EVERY_S:
            self._send_progress()
        if self._rank == 0:
            self._events.send(record)

    def on_epoch(self, record: EpochRecord) -> None:
        self._send_progress()
        checkpoint = None
        if self._rank == 0:
            self._events.send((record.epoch, record.metrics, record.arrays))
            checkpoint = self._write_checkpoint(record)
        ray.train.report(
            {"epoch": record.epoch, **record.metrics},
            checkpoint=checkpoint,
            checkpoint_upload_mode=ray.train.CheckpointUploadMode.NO_UPLOAD,
        )

    def _send_progress(self) -> None:
        images, waited_s = self._batches.images, self._batches.waited_s
        if images > self._sent_images:
            progress = (images - self._sent_images, waited_s - self._sent_waited_s)
            self._events.send(WorkerProgress(self._rank, socket.gethostname(), *progress))
            self._sent_images, self._sent_waited_s = images, waited_s
            self._sent_s = time.monotonic()

    def _write_checkpoint(self, record: EpochRecord) -> ray.train.Checkpoint:
        """Write a checkpoint to its final folder, since Ray Train's own upload is not atomic."""
        self._records.append(epoch_record(record.epoch, record.metrics, record.arrays))
        with new_checkpoint(self._run_folder, record.epoch) as folder:
            record.save(folder)
            write_metrics(self._records, folder)
        return checkpoint_in(self._run_folder, record.epoch)

    def on_nonfinite_step(self, record: NonFiniteStep) -> None:
        write_nonfinite_step(record, self._rank, self._run_folder)
        barrier()  # the first worker that stops ends the others: all files must be written before
