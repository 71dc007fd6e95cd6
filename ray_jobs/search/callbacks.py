"""Ray Tune callbacks that update the board and the folders of the trials."""

import logging
from pathlib import Path
from typing import Any

import ray.exceptions
import ray.tune
from ray import cloudpickle
from ray.tune.experiment import Trial as RayTrial

from faceml.config import StudyConfig, TuneConfig
from faceml.reporting import TrialBoard
from faceml.runs import Outcome, in_one_line
from faceml.search import search_score
from ray_jobs.search.outage import StopAtOutage, raise_outage
from ray_jobs.search.trial import trial_folder
from ray_jobs.search.worker_group import release_workers

logger = logging.getLogger(__name__)

FAILURE = "Failure # "
"""Beginning of each error in Ray Tune's text file of a trial's errors."""
KILLED_FOR_MEMORY = "killed due to the node running low on memory"
"""Part of the message of Ray's memory monitor."""


class TrialCallbacks(ray.tune.Callback):
    """Show every epoch on the board, and write the outcome of each trial into its folder.

    Args:
        board: Table of the trials on the terminal.
        config: Configuration of the search or study.
        outage: Ends the search if its folders cannot be reached.
    """

    def __init__(self, board: TrialBoard, config: TuneConfig | StudyConfig, outage: StopAtOutage) -> None:
        self._board = board
        self._config = config
        self._score = search_score(config)
        self._outage = outage

    def __getstate__(self) -> dict[str, Any]:
        """Pickle nothing for Ray Tune: a terminal cannot be pickled."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_: Any) -> None:
        """Show that a trial runs."""
        self._board.started(trial.config["trial"], trial.config["settings"])

    def on_trial_result(
        self, iteration: int, trials: list[RayTrial], trial: RayTrial, result: dict[str, Any], **_: Any
    ) -> None:
        """Show the result of an epoch."""
        self._board.epoch_ended(trial.config["trial"], result["epoch"], result[self._score.metric])

    def on_trial_recover(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_: Any) -> None:
        """Release the workers of a trial that is restarted in another process."""
        with self._outage:
            raise_outage(_error_of(trial))
            folder = trial_folder(self._config, trial.config["trial"])
            release_workers(self._config, folder.name)
            if folder.outcome is None:
                logger.warning("%s: its process died; another one continues the trial.", folder.name)

    def on_trial_complete(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_: Any) -> None:
        """Write the outcome of a trial that had all its epochs, or that the scheduler stopped."""
        with self._outage:
            self._end(trial)

    def on_trial_error(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_: Any) -> None:
        """Write the outcome of a trial that failed and is not restarted."""
        with self._outage:
            error = _error_of(trial)
            raise_outage(error)
            release_workers(self._config, trial.config["trial"])
            self._end(trial, reason_of(error, trial.num_failures))

    def _end(self, trial: RayTrial, reason: str | None = None) -> None:
        # Its process may have died before Ray Tune told of its start.
        self._board.started(trial.config["trial"], trial.config["settings"])
        folder, last = trial_folder(self._config, trial.config["trial"]), trial.last_result or {}
        if folder.outcome is None:  # else its own process has written why it failed
            worker = f"{last['hostname']}:{last['pid']}" if "pid" in last else ""
            folder.end(Outcome(reason, worker))
        outcome = folder.outcome
        self._board.ended(folder.name, outcome.error or "" if outcome else "")


def _error_of(trial: RayTrial) -> BaseException | None:
    """Return the error that Ray Tune caught, from its files on this machine.

    Ray Tune pickles errors of tasks and of actors, but not that of a process killed for lack of memory.
    """
    file, text = Path(trial.pickled_error_file or ""), Path(trial.error_file or "")
    last = text.read_text(encoding="utf-8").rpartition(FAILURE)[2] if text.is_file() else ""
    if KILLED_FOR_MEMORY in last:
        return ray.exceptions.OutOfMemoryError(last)  # type: ignore[no-untyped-call]
    error: BaseException | None = cloudpickle.loads(file.read_bytes()) if file.is_file() else None
    return error


def reason_of(error: BaseException | None, failures: int) -> str:
    """Return in one line why a trial failed whose process could not write the reason itself.

    Args:
        error: Error that Ray Tune caught, None if it is not known.
        failures: Number of times that the trial failed.
    """
    times = "" if failures < 2 else f" {failures} times"
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return f"its process exceeded the memory of its node{times}"
    if isinstance(error, ray.exceptions.RayActorError):
        return f"its process died{times}, possibly because it exceeded the available memory"
    if isinstance(error, ray.exceptions.RayTaskError):
        return in_one_line(error.cause or error)
    return in_one_line(error) if error else "Ray Tune gives no reason"
