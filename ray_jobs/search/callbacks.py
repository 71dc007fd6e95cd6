"""What the driver of a search hears from Ray Tune: onto the board, and into the folders of the trials."""

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import ray.exceptions
import ray.tune
from ray import cloudpickle
from ray.tune.experiment import Trial as RayTrial

from faceml.config import StudyConfig, TuneConfig
from faceml.reporting import TrialBoard
from faceml.runs import Outcome, in_one_line
from faceml.storage import StorageFolder, place_below, translate_outage
from ray_jobs.search.outage import StopAtOutage, raise_outage
from ray_jobs.search.trial import RAY_FOLDER, trial_folder
from ray_jobs.search.worker_group import release_workers

logger = logging.getLogger(__name__)


class Watch(ray.tune.Callback):
    """Tell the board of every epoch, and write down how each trial ended.

    Args:
        board: What a person looks at.
        config: Of the search or study.
        outage: Ends it if its folders cannot be reached.
    """

    def __init__(self, board: TrialBoard, config: TuneConfig | StudyConfig, outage: StopAtOutage) -> None:
        self._board = board
        self._config = config
        self._outage = outage

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune saves its callbacks with the search; a terminal cannot be saved."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_: Any) -> None:
        """Hear that a trial has a process."""
        self._board.started(trial.config["trial"], trial.config["settings"])

    def on_trial_result(
        self, iteration: int, trials: list[RayTrial], trial: RayTrial, result: dict[str, Any], **_: Any
    ) -> None:
        """Hear of an epoch."""
        self._board.epoch_ended(trial.config["trial"], result["epoch"], result[self._config.metric])

    def on_trial_recover(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_: Any) -> None:
        """Hear that a trial failed and is given another process; it fails again at once if it said why."""
        with self._outage:
            raise_outage(_error_of(trial))
            folder = trial_folder(self._config, trial.config["trial"])
            release_workers(self._config, folder.name)
            if folder.outcome is None:
                logger.warning("%s: its process died, another goes on with it.", folder.name)

    def on_trial_complete(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_: Any) -> None:
        """Hear that a trial has done all its epochs, or that the scheduler stopped it."""
        with self._outage:
            self._end(trial)

    def on_trial_error(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_: Any) -> None:
        """Hear that a trial failed for good."""
        with self._outage:
            error = _error_of(trial)
            raise_outage(error)
            release_workers(self._config, trial.config["trial"])
            self._end(trial, reason_of(error, trial.num_failures))

    def _end(self, trial: RayTrial, reason: str | None = None) -> None:
        folder, last = trial_folder(self._config, trial.config["trial"]), trial.last_result or {}
        if folder.outcome is None:  # else it said itself why it failed
            worker = f"{last['hostname']}:{last['pid']}" if "pid" in last else ""
            folder.end(Outcome(reason, worker))
        outcome = folder.outcome
        self._board.ended(folder.name, outcome.error or "" if outcome else "")


def run_config(
    config: TuneConfig | StudyConfig, board: TrialBoard, outage: StopAtOutage, files: Path
) -> ray.tune.RunConfig:
    """Return how Ray Tune runs trials whose folders have all that counts.

    Args:
        config: Of the search or study.
        board: What a person looks at.
        outage: Ends it if its folders cannot be reached.
        files: The driver's, on this machine; Ray Tune's own are among them, for which no trial has a use.
    """
    return ray.tune.RunConfig(
        storage_path=str(files),
        name=RAY_FOLDER,
        verbose=0,
        stop=outage,
        callbacks=[Watch(board, config, outage)],
        checkpoint_config=ray.tune.CheckpointConfig(checkpoint_at_end=False),
        failure_config=ray.tune.FailureConfig(max_failures=config.trial.restarts),
    )


def remove_rays_files(config: TuneConfig | StudyConfig, files: Path) -> None:
    """Remove what Ray has written of its own, here and in the run folder.

    Raises:
        StoppedError: The run folder cannot be reached.
    """
    shutil.rmtree(files / RAY_FOLDER, ignore_errors=True)
    with translate_outage(config.run.folder):
        StorageFolder(place_below(config.run.folder, RAY_FOLDER)).remove()


def quieten_tune() -> None:
    """Switch off Ray's own loggers and tracebacks; what there is to tell is in the trials' folders."""
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")
    for name in ("ray.tune.tune", "ray.tune.analysis.experiment_analysis"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _error_of(trial: RayTrial) -> BaseException | None:
    """Return what Ray Tune caught, from this machine: it is not on the storage of the search yet."""
    file = Path(trial.pickled_error_file or "")
    error: BaseException | None = cloudpickle.loads(file.read_bytes()) if file.is_file() else None
    return error


def reason_of(error: BaseException | None, failures: int) -> str:
    """Say in one line why a trial failed that could not say so itself.

    Args:
        error: What Ray Tune knows.
        failures: How often it failed.
    """
    times = "" if failures < 2 else f" {failures} times"
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return f"its process took more memory than its node has{times}"
    if isinstance(error, ray.exceptions.RayActorError):
        return f"its process died{times}, as one does that takes more memory than there is"
    if isinstance(error, ray.exceptions.RayTaskError):
        return in_one_line(error.cause or error)
    return in_one_line(error) if error else "Ray Tune does not say why"
