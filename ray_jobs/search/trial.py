"""One trial of a search: what runs in each process that Ray Tune starts."""

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
# What Ray writes of its own, read by nobody: the trials' folders have all that a search needs to go on.
RAY_FOLDER = ".ray_tune"

# How long an epoch took with its evaluation, without what the search adds to it.
EPOCH_SECONDS = "time/epoch_s"

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class TrialJob:
    """What every process of a trial is told.

    Attributes:
        config: Of the search, as plain values.
        trial: Name of the trial.
        settings: The dotted keys that are searched with the trial's values.
        cpus: Of each of the trial's workers.
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
    """Train as one of the trial's workers, from its checkpoint if it has one.

    Args:
        job: What the trial is.
        config: Of the search.
        device: Of this worker.
        rank: Of this worker.
        report: Is called by all workers after each epoch with its metrics; may end the trial by raising.
    """
    from faceml.training import build_multitask_trainer  # late, as the driver has no use for networks

    folder = trial_folder(config, job.trial)
    train = build_running_trial(config, job.settings, folder.place, job.cpus)
    set_up_log(train.logging.format, "tune", folder.place, rank)
    set_up_process(device, job.cpus, train.data.loader_processes)
    trainer = build_multitask_trainer(train, device, rank, build_cached_faces(train.data))
    go_on(trainer, folder, report)
    with ExitStack() as stack:
        opened = stack.enter_context(folder.open()) if rank == 0 else None
        if opened is not None:
            opened.write_config(dump_config(train))
        observer = TuneObserver(folder, opened, rank, report, config.trial.checkpoint_every_s)
        trainer.fit(train.training.epochs, observer)


def go_on(trainer: "Trainer[Any]", folder: TrialFolder, report: Report) -> None:
    """Go back to a trial's checkpoint, if it has one, and tell of the epochs before it.

    Neither a scheduler of a new driver nor its table knows of those.
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
        folder: Of the trial.
        opened: Run folder that receives the records; None in all workers but the first.
        rank: Of this worker.
        report: Tells Ray of an epoch; all workers call it.
        checkpoint_every_s: No checkpoint is written sooner after the last one.
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
        """Steps are too fine for a search."""

    def on_epoch(self, record: EpochRecord) -> None:
        """Keep the record, and the checkpoint if it is time; then report, which may end the trial."""
        now_s = time.monotonic()
        metrics = record.metrics | {EPOCH_SECONDS: now_s - self._epoch_began_s}
        if self._opened is not None:
            # The record first: told twice it is replaced, but what a checkpoint has is never trained again.
            self._opened.add_epoch(record.epoch, metrics, record.confusion)
            if now_s - self._checkpoint_s >= self._checkpoint_every_s:
                self._folder.save_checkpoint(record.save)
                self._checkpoint_s = time.monotonic()
        self._report({"epoch": record.epoch, **metrics})
        self._epoch_began_s = time.monotonic()

    def on_nonfinite_step(self, record: NonFiniteStep) -> None:
        """Write the record of the step."""
        with translate_outage(self._folder.place):
            write_nonfinite_step(record, self._rank, self._folder.folder)
