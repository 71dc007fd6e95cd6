"""`faceml train`: Ray Train runs the multitask training on one or many workers."""

import logging
import shutil
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
from ray.util.queue import Queue
from rich.console import Console, RenderableType

from faceml.atomic import AtomicPath
from faceml.config.train import TrainConfig
from faceml.datasets.labels import EXPRESSIONS
from faceml.metrics.confusion import ConfusionMatrix
from faceml.models.backbone import build_backbone_from
from faceml.reporting.classes import classes_table, scores_line
from faceml.reporting.doctor import Doctor, diagnose
from faceml.reporting.html import Report, write_report
from faceml.reporting.progress import ProgressReport
from faceml.reporting.training import (
    best_first,
    best_record,
    confusion_of,
    epochs_table,
    training_summary,
    watched_figures,
)
from faceml.reporting.training_plan import (
    FirstEstimate,
    build_training_plan,
    start_line,
    training_banner,
)
from faceml.reporting.training_report import training_chapter
from faceml.run_files import BEST_MODEL_FILE, REPORT_FILE, read_metrics, write_summary
from faceml.stopped import StoppedError
from faceml.training.checkpoint import MODEL_FILE
from faceml.training.leakage import audit_leakage
from faceml.training.multitask import build_faces
from faceml.training.observer import Metrics, StepRecord
from faceml.training.run_folder import RunFolder
from faceml.training.tracking import Tracking, build_tracking
from ray_jobs.checkpoints import CHECKPOINTS_FOLDER, ListKept, settle_checkpoints
from ray_jobs.cluster import RayCluster, require_resources
from ray_jobs.events import EventChannel
from ray_jobs.face_stream import face_stream
from ray_jobs.run_folders import MAY_CHANGE, enter_run_folder
from ray_jobs.train_errors import FinalErrors, OneReason
from ray_jobs.train_worker import STREAM, Start, train_worker

logger = logging.getLogger(__name__)

# A worker that dies is replaced this often, and the group goes on from the last checkpoint.
MAX_WORKER_FAILURES = 3


def run(config: TrainConfig) -> dict[str, Any]:
    """Train, and return the content of `summary.json`.

    An unfinished run in the same folder is continued from its last checkpoint.

    Raises:
        ConfigError: Data, folder, resources or MLflow do not fit; found before any worker starts.
        StoppedError: A gradient is not finite, an image is no longer what was extracted, a checkpoint could
            not be written, or workers died too often.
    """
    started_s = time.monotonic()
    faces = build_faces(config.data)
    plan = build_training_plan(config, faces)
    for split in (faces.train, faces.val):
        split.log_left_out()
    audit_leakage(config.data)
    build_backbone_from(config.model)
    tracking = build_tracking(config)
    _show_on_stderr(training_banner(plan))
    with RayCluster():
        require_resources(needed_resources(config), "scaling")
        enter_run_folder(config.run.folder, config, MAY_CHANGE)
        settle_checkpoints(config.run.folder)
        with tracking:
            total_steps = plan.steps_per_epoch * plan.epochs
            records = _train(config, total_steps, tracking)
            tracking.tell(records)
            summary = training_summary(records, time.monotonic() - started_s)
            _write_results(summary, config.run.folder)
            tracking.finish(summary)
    return summary


def _train(config: TrainConfig, total_steps: int, tracking: Tracking) -> list[dict[str, Any]]:
    """Train, keep the best model, and return the records of all epochs."""
    with (
        OneReason(),
        RunFolder(config.run.folder) as run_folder,
        ProgressReport("train", total_steps) as progress,
        EventChannel(_Receiver(config, run_folder, tracking, progress)) as events,
    ):
        result = _torch_trainer(config, events.queue).fit()
    settle_checkpoints(config.run.folder)  # of what workers that died were writing
    _keep_best_model(result, config.run.folder)
    return run_folder.records


def _write_results(summary: dict[str, Any], folder: Path) -> None:
    write_summary(summary, folder)
    best = summary["best"]
    answer = f"The best model names the expression of {best['val/accuracy']:.1%} of the validation faces."
    write_report(Report("Multitask training", answer, [training_chapter(folder)]), folder / REPORT_FILE)


def _show_on_stderr(shown: RenderableType) -> None:
    """Print for a person; in a job's log, wide enough for what a line has to say."""
    console = Console(stderr=True)
    (console if console.is_terminal else Console(stderr=True, width=120)).print(shown)


def _keep_best_model(result: ray.train.Result, run_folder: Path) -> None:
    if not result.best_checkpoints:
        raise StoppedError(f"Ray Train kept no checkpoint in {run_folder}; its log says why.")
    best, _ = max(result.best_checkpoints, key=lambda kept: best_first(kept[1]))
    with best.as_directory() as folder, AtomicPath(run_folder / BEST_MODEL_FILE) as partial:
        shutil.copyfile(Path(folder) / MODEL_FILE, partial)


def show(config: TrainConfig, console: Console) -> None:
    """Print a table of the epochs, and one of the expressions in the best of them."""
    records = read_metrics(config.run.folder)
    console.print(epochs_table(records))
    best = best_record(records)
    confusion = confusion_of(best)
    title = f"Validation faces of each expression, epoch {best['epoch']}"
    console.print(classes_table(confusion, EXPRESSIONS, title))
    console.print(scores_line(confusion))


def needed_resources(config: TrainConfig) -> dict[str, float]:
    """Return what all workers of a training hold together."""
    scaling = config.scaling
    for_reading = config.data.ingest == "stream"  # Ray Data waits for a CPU that workers do not hold
    needed = {"CPU": float(scaling.num_train_workers * scaling.cpus_per_worker + for_reading)}
    return needed | ({"GPU": float(scaling.num_train_workers)} if scaling.use_gpu else {})


def _torch_trainer(config: TrainConfig, events: Queue) -> ray.train.torch.TorchTrainer:
    scaling = config.scaling
    return ray.train.torch.TorchTrainer(
        train_worker,
        train_loop_config={"config": config.model_dump(mode="json"), "events": events},
        scaling_config=ray.train.ScalingConfig(
            num_workers=scaling.num_train_workers,
            use_gpu=scaling.use_gpu,
            resources_per_worker={"CPU": scaling.cpus_per_worker} | ({"GPU": 1} if scaling.use_gpu else {}),
        ),
        datasets={STREAM: face_stream(config.data, config.seed)} if config.data.ingest == "stream" else {},
        run_config=ray.train.RunConfig(
            storage_path=str(config.run.folder),
            name=CHECKPOINTS_FOLDER,
            checkpoint_config=ray.train.CheckpointConfig(
                num_to_keep=config.run.checkpoints_to_keep, checkpoint_score_attribute="val/accuracy"
            ),
            failure_config=ray.train.FailureConfig(max_failures=MAX_WORKER_FAILURES),
            callbacks=[FinalErrors(), ListKept(config.run.folder)],  # type: ignore[list-item] # the old API's
        ),
    )


class _Receiver:
    """Take what workers tell: into the run folder, MLflow, the progress bar, the log."""

    def __init__(
        self, config: TrainConfig, run_folder: RunFolder, tracking: Tracking, progress: ProgressReport
    ) -> None:
        self._epochs = config.training.epochs
        self._run_folder = run_folder
        self._tracking = tracking
        self._progress = progress
        self._doctor = Doctor(partial(diagnose, weighting=config.weighting))
        self._estimate = FirstEstimate()

    def __call__(self, event: Start | StepRecord | tuple[int, Metrics, ConfusionMatrix]) -> None:
        if isinstance(event, Start):
            self._run_folder.go_back(event.records)
            logger.info("%s", start_line(event.device, len(event.records), self._epochs))
        elif isinstance(event, StepRecord):
            self._hear_step(event)
        else:
            self._hear_epoch(*event)

    def _hear_step(self, record: StepRecord) -> None:
        self._progress.advance_to(record.step, f"epoch {record.epoch}  {watched_figures(record.metrics)}")
        line = self._estimate.line(record.step, record.total_steps, time.monotonic(), datetime.now())
        if line is not None:
            logger.info("%s", line)

    def _hear_epoch(self, epoch: int, metrics: Metrics, confusion: ConfusionMatrix) -> None:
        self._run_folder.add(epoch, metrics, confusion)
        self._tracking.tell(self._run_folder.records)
        logger.info("epoch %d  %s", epoch, watched_figures(metrics))
        for finding in self._doctor.news(self._run_folder.records):
            logger.info("%s", finding)


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("train")
