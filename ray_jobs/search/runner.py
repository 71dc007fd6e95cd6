"""Runs of the trials of a search or study on Ray Tune."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import ray.tune
from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import TrialScheduler

from faceml.config import StudyConfig, TuneConfig
from faceml.errors import StoppedError
from faceml.reporting import TrialBoard
from faceml.runs import TrialFolder
from faceml.search import search_score
from faceml.storage import StorageFolder, place_below, translate_outage
from ray_jobs.search.callbacks import TrialCallbacks
from ray_jobs.search.outage import StopAtOutage
from ray_jobs.search.resources import Room
from ray_jobs.search.searcher import Plan, PlanSearcher, best_value, build_scheduler, trial_folders
from ray_jobs.search.trial import RAY_FOLDER, TRIALS_FOLDER

Trainable = type[ray.tune.Trainable] | Callable[..., None]

logger = logging.getLogger(__name__)


def run_trials(
    config: TuneConfig | StudyConfig,
    plan: Plan,
    trainable: Trainable,
    max_epochs: int,
    room: Room,
    local_folder: Path,
) -> list[TrialFolder]:
    """Run the trials of a plan that have not ended, and return the folders of all.

    Args:
        config: Configuration of the search or study.
        plan: All its trials.
        trainable: Runs one trial; receives its name and settings, `plain`, the configuration as plain values,
            and `cpus`.
        max_epochs: Maximum number of epochs of a trial.
        room: Resources of each trial.
        local_folder: Folder of the driver for Ray Tune's own files, which are removed afterwards.

    Raises:
        StoppedError: The run was interrupted before all trials had ended, or a store cannot be reached.
    """
    ended = _ended_trials(config)
    left = plan.total - len(ended)
    if left > 0:
        logger.info(
            "%d trials, %d at once, %d worker(s) with %d CPU and %g GPU each",
            left, room.at_once, room.workers, room.cpus, room.gpus,
        )  # fmt: skip
        outage = StopAtOutage()
        searcher = PlanSearcher(plan, config, outage)
        scheduler = build_scheduler(config, ended) if isinstance(config, TuneConfig) else None
        score = search_score(config)
        with TrialBoard(plan.total, max_epochs, score) as board:
            for trial in ended:
                reason = trial.outcome.error if trial.outcome else None
                best = best_value(trial.records, score)
                board.ended_before(trial.name, trial.settings or {}, best, reason or "")
            callbacks = TrialCallbacks(board, config, outage)
            run_config = _run_config(config, callbacks, outage, local_folder)
            _tuner(config, trainable, room, left, searcher, scheduler, run_config).fit()
        outage.raise_caught()
        _remove_rays_files(config, local_folder)
        ended = _ended_trials(config)
    if len(ended) < plan.total:
        raise StoppedError(
            f"Interrupted after {len(ended)} of {plan.total} trials. Run the same command to continue."
        )
    for trial in ended:
        trial.remove_checkpoint()  # a driver that was killed may have left one
    return ended


def _ended_trials(config: TuneConfig | StudyConfig) -> list[TrialFolder]:
    folders = trial_folders(place_below(config.run.folder, TRIALS_FOLDER))
    return [trial for trial in folders if trial.outcome is not None]


def _tuner(
    config: TuneConfig | StudyConfig,
    trainable: Trainable,
    room: Room,
    num_trials: int,
    searcher: PlanSearcher,
    scheduler: TrialScheduler | None,
    run_config: ray.tune.RunConfig,
) -> ray.tune.Tuner:
    _silence_tune()
    plain = config.model_dump(mode="json")
    return ray.tune.Tuner(
        ray.tune.with_resources(
            ray.tune.with_parameters(trainable, plain=plain, cpus=room.cpus), room.placement
        ),
        tune_config=ray.tune.TuneConfig(
            num_samples=num_trials,
            search_alg=searcher,
            scheduler=scheduler,
            max_concurrent_trials=room.at_once,
            # A new process imports everything again; one that only waits for workers imports little.
            reuse_actors=room.workers == 1,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=run_config,
    )


def _run_config(
    config: TuneConfig | StudyConfig, callbacks: TrialCallbacks, outage: StopAtOutage, local_folder: Path
) -> ray.tune.RunConfig:
    return ray.tune.RunConfig(
        storage_path=str(local_folder),
        name=RAY_FOLDER,
        verbose=0,
        stop=outage,
        callbacks=[callbacks],
        checkpoint_config=ray.tune.CheckpointConfig(checkpoint_at_end=False),
        failure_config=ray.tune.FailureConfig(max_failures=config.trial.restarts),
    )


def _trial_name(trial: RayTrial) -> str:
    return str(trial.config["trial"])


def _silence_tune() -> None:
    """Switch off Ray Tune's loggers and tracebacks: the board and the trials' folders have their content."""
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")
    for name in ("ray.tune.tune", "ray.tune.analysis.experiment_analysis"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _remove_rays_files(config: TuneConfig | StudyConfig, local_folder: Path) -> None:
    """Remove the files of Ray Tune and Ray Train, on this machine and in the run folder.

    Raises:
        StoppedError: The run folder cannot be reached.
    """
    shutil.rmtree(local_folder / RAY_FOLDER, ignore_errors=True)
    with translate_outage(config.run.folder):
        StorageFolder(place_below(config.run.folder, RAY_FOLDER)).remove()
