"""Ray Train worker group as the driver runs it, common to all kinds of training."""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch

from faceml.config import RecognitionConfig, ScalingConfig, TrainConfig
from faceml.errors import StoppedError
from faceml.metrics import Score
from faceml.page import ProgressReport
from faceml.reporting import FirstEstimate, TrainingDiagnosis, best_first, start_line, watched_figures
from faceml.runs import BEST_MODEL_FILE, NoTracking, RunFolder, Tracking
from faceml.storage import atomic_file, translate_outage
from faceml.training import MODEL_FILE, Arrays, Metrics, StepRecord
from ray_jobs.cluster import (
    Bundle,
    EventChannel,
    EventSender,
    TrainingMetrics,
    build_torch_trainer,
    worker_bundle,
)
from ray_jobs.training.checkpoint_list import CHECKPOINTS_FOLDER, CheckpointListCopy, settle_checkpoints
from ray_jobs.training.errors import FinalErrors, translate_training_errors
from ray_jobs.training.worker import Start, WorkerProgress, train_worker

logger = logging.getLogger(__name__)

MAX_WORKER_FAILURES = 3
"""Number of times that workers are restarted from the last checkpoint after one has died."""
BYTES_AT_ONCE = 16 * 2**20
"""Bytes copied at once, each with a request to the store."""


@dataclass(frozen=True)
class GroupJob:
    """A training for a worker group.

    Attributes:
        config: Configuration of the training.
        run_folder: Run folder, entered by the job.
        total_steps: Steps of the whole training.
        score: Metric that selects the best epoch.
        watched: Metrics that log and progress bar show.
        diagnosis: Diagnoses the training after each epoch.
        tracking: Experiment tracking beside the run folder.
        streams: Data sets that Ray Data streams to the workers, by name.
    """

    config: TrainConfig | RecognitionConfig
    run_folder: RunFolder
    total_steps: int
    score: Score
    watched: Sequence[str]
    diagnosis: TrainingDiagnosis
    tracking: Tracking = field(default_factory=NoTracking)
    streams: Mapping[str, Any] = field(default_factory=dict)


def train_group(job: GroupJob) -> list[dict[str, Any]]:
    """Train, save the best model, and return the records of all epochs.

    An unfinished run in the folder is continued from its last checkpoint.

    Raises:
        StoppedError: A worker has failed, or workers have died too often; names the cause.
    """
    files, folder = job.run_folder.path, job.run_folder.folder
    settle_checkpoints(folder)
    with (
        translate_training_errors(),
        ProgressReport("train", job.total_steps) as progress,
        TrainingMetrics(files, job.score.metric, job.total_steps // job.config.training.epochs) as metrics,
        EventChannel(_Receiver(job, progress, metrics)) as events,
    ):
        result = _torch_trainer(job, events.sender).fit()
    settle_checkpoints(folder)  # removes incomplete checkpoints of dead workers
    _copy_best_model(result, files, job.score)
    return job.run_folder.records


def resources_of(scaling: ScalingConfig, *, for_reading: bool = False) -> list[Bundle]:
    """Return the resources of each worker of a training.

    Args:
        scaling: The training's scaling.
        for_reading: If True, Ray Data streams the images, which needs another CPU.
    """
    each: Bundle = worker_bundle(scaling.cpus_per_worker, scaling.use_gpu)
    return [each] * scaling.num_train_workers + ([worker_bundle(1, 0)] if for_reading else [])


def _torch_trainer(job: GroupJob, events: EventSender) -> ray.train.torch.TorchTrainer:
    config, scaling, folder = job.config, job.config.scaling, job.run_folder.folder
    return build_torch_trainer(
        train_worker,
        train_loop_config={
            "kind": type(config),
            "config": config.model_dump(mode="json"),
            "events": events,
        },
        scaling_config=ray.train.ScalingConfig(
            num_workers=scaling.num_train_workers,
            use_gpu=scaling.use_gpu,
            resources_per_worker=worker_bundle(scaling.cpus_per_worker, scaling.use_gpu),
        ),
        datasets=dict(job.streams),
        run_config=ray.train.RunConfig(
            storage_path=folder.path,
            storage_filesystem=folder.filesystem,
            name=CHECKPOINTS_FOLDER,
            checkpoint_config=ray.train.CheckpointConfig(
                num_to_keep=config.run.checkpoints_to_keep,
                checkpoint_score_attribute=job.score.metric,
                checkpoint_score_order="min" if job.score.minimised else "max",
            ),
            failure_config=ray.train.FailureConfig(max_failures=MAX_WORKER_FAILURES),
            callbacks=[FinalErrors(), CheckpointListCopy(folder)],  # type: ignore[list-item] # the old API's
        ),
    )


def _copy_best_model(result: ray.train.Result, run_folder: Path, score: Score) -> None:
    if not result.best_checkpoints:
        raise StoppedError(
            f"{run_folder}: the training ended without a checkpoint. Ray Train's log names the cause; "
            "correct it and run the same command again."
        )
    best, _ = max(result.best_checkpoints, key=lambda kept: best_first(kept[1], score))
    with (
        translate_outage(best.path),
        best.filesystem.open_input_stream(f"{best.path}/{MODEL_FILE}") as model,
        atomic_file(run_folder / BEST_MODEL_FILE) as partial,
        partial.open("wb") as file,
    ):
        shutil.copyfileobj(model, file, BYTES_AT_ONCE)


class _Receiver:
    """Handle workers' events: update run folder, MLflow, progress bar, Ray's metrics and the log."""

    def __init__(self, job: GroupJob, progress: ProgressReport, metrics: TrainingMetrics) -> None:
        self._job = job
        self._run_folder = job.run_folder
        self._progress = progress
        self._metrics = metrics
        self._estimate = FirstEstimate()

    def __call__(self, event: Start | StepRecord | WorkerProgress | tuple[int, Metrics, Arrays]) -> None:
        if isinstance(event, Start):
            self._run_folder.restore_records(event.records)
            epochs = self._job.config.training.epochs
            logger.info("%s", start_line(event.device, event.precision, len(event.records), epochs))
            if event.warning:
                logger.warning("%s", event.warning)
        elif isinstance(event, StepRecord):
            self._on_step(event)
        elif isinstance(event, WorkerProgress):
            self._metrics.report_worker(event.rank, event.node, event.images, event.waited_s)
        else:
            self._on_epoch(*event)

    def _on_step(self, record: StepRecord) -> None:
        self._progress.advance_to(
            record.step, f"epoch {record.epoch}  {watched_figures(record.metrics, self._job.watched)}"
        )
        self._metrics.report_step(record.epoch, record.step, record.total_steps, record.metrics["train/loss"])
        line = self._estimate.line(record.step, record.total_steps, time.monotonic(), datetime.now())
        if line is not None:
            logger.info("%s", line)

    def _on_epoch(self, epoch: int, metrics: Metrics, arrays: Arrays) -> None:
        self._run_folder.add_epoch(epoch, metrics, arrays)
        self._job.tracking.log_epochs(self._run_folder.records)
        self._metrics.report_epoch(epoch, metrics)
        logger.info("epoch %d  %s", epoch, watched_figures(metrics, self._job.watched))
        for finding in self._job.diagnosis.new_findings(self._run_folder.records):
            logger.info("%s", finding)
