"""Training of one trial of a search in the processes that Ray Tune starts."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray.tune
import torch

from faceml.config import StudyConfig, TuneConfig, build_running_trial, dump_config, parse_config
from faceml.runs import RunFolder, TrialFolder, record_failure, write_nonfinite_step
from faceml.storage import place_below, translate_outage
from faceml.training import EpochRecord, NonFiniteStep, StepRecord, build_cached_faces, set_up_process
from ray_jobs.cluster import set_up_log

if TYPE_CHECKING:
    from faceml.training import Trainer

TRIALS_FOLDER = "trials"
# Ray's own files, which are never read: a search is continued from the trials' folders.
RAY_FOLDER = ".ray_tune"

# Duration of an epoch with its evaluation, without the overhead of the search.
EPOCH_SECONDS = "time/epoch_s"

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class TrialJob:
    """Arguments of every process of a trial.

    Attributes:
        config: Configuration of the search, as plain values.
        trial: Name of the trial.
        settings: Dotted keys that are searched, with the trial's values.
        cpus: Number of CPUs of each of the trial's workers.
    """

    config: dict[str, Any]
    trial: str
    settings: dict[str, Any]
    cpus: int


def run_trial(suggested: dict[str, Any], plain: dict[str, Any], cpus: int) -> None:
    """Train one trial in this process."""
    job = TrialJob(plain, suggested["trial"], suggested["settings"], cpus)
    config = parse_config(TuneConfig, plain)
    with record_failure(trial_folder(config, job.trial)):
        device = torch.device("cuda" if config.trial.gpus else "cpu")
        train_trial(job, config, device, 0, ray.tune.report)


def trial_folder(config: TuneConfig | StudyConfig, trial: str) -> TrialFolder:
    """Return the folder of a trial, on storage that all its workers and the driver share."""
    return TrialFolder(place_below(config.run.folder, TRIALS_FOLDER, trial))


def train_trial(job: TrialJob, config: TuneConfig, device: torch.device, rank: int, report: Report) -> None:
    """Train as one of the trial's workers, from its checkpoint if there is one.

    Args:
        job: Name and settings of the trial.
        config: Configuration of the search.
        device: Device of this worker.
        rank: Rank of this worker.
        report: Called by all workers after each epoch with its metrics; may raise to end the trial.
    """
    from faceml.training import build_multitask_trainer  # late: the driver needs no networks

    folder = trial_folder(config, job.trial)
    train = build_running_trial(config, job.settings, folder.place, job.cpus)
    set_up_log(train.logging.format, "tune", folder.place, rank)
    set_up_process(device, job.cpus, train.data.loader_processes)
    trainer = build_multitask_trainer(train, device, rank, build_cached_faces(train))
    resume_trial(trainer, folder, report)
    with ExitStack() as stack:
        opened = stack.enter_context(folder.open()) if rank == 0 else None
        if opened is not None:
            opened.write_config(dump_config(train))
        observer = TuneObserver(folder, opened, rank, report, config.trial.checkpoint_every_s)
        trainer.fit(train.training.epochs, observer)


def resume_trial(trainer: "Trainer[Any]", folder: TrialFolder, report: Report) -> None:
    """Resume from a trial's checkpoint, if there is one, and report the epochs before it.

    The scheduler and the board of a new driver have not seen them.
    """
    checkpoint = folder.checkpoint
    if checkpoint is not None:
        with translate_outage(checkpoint):
            trainer.resume(checkpoint)
    for record in folder.records[: trainer.epochs_done]:
        report(record)


class TuneObserver:
    """Report epochs to Ray Tune, which may stop the trial there.

    Args:
        folder: Folder of the trial.
        opened: Run folder that receives the records; None in all workers but the first.
        rank: Rank of this worker.
        report: Reports an epoch to Ray; all workers call it.
        checkpoint_every_s: Minimum time between two checkpoints.
    """

    def __init__(
        self,
        folder: TrialFolder,
        opened: RunFolder | None,
        rank: int,
        report: Report,
        checkpoint_every_s: float,
    ) -> None:
        self._folder = folder
        self._opened = opened
        self._rank = rank
        self._report = report
        self._checkpoint_every_s = checkpoint_every_s
        self._epoch_began_s = self._checkpoint_s = time.monotonic()

    def on_step(self, record: StepRecord) -> None:
        """Do nothing: a search reports epochs."""

    def on_epoch(self, record: EpochRecord) -> None:
        """Write the record, and a checkpoint if one is due; then report the epoch."""
        now_s = time.monotonic()
        metrics = record.metrics | {EPOCH_SECONDS: now_s - self._epoch_began_s}
        if self._opened is not None:
            # The record first: a repeated one is replaced, but no epoch before a checkpoint is repeated.
            self._opened.add_epoch(record.epoch, metrics, record.arrays)
            if now_s - self._checkpoint_s >= self._checkpoint_every_s:
                self._folder.save_checkpoint(record.save)
                self._checkpoint_s = time.monotonic()
        self._report({"epoch": record.epoch, **metrics})
        self._epoch_began_s = time.monotonic()

    def on_nonfinite_step(self, record: NonFiniteStep) -> None:
        """Write the record of the step."""
        with translate_outage(self._folder.place):
            write_nonfinite_step(record, self._rank, self._folder.folder)
