"""Ray Tune's side of a plan: only what is not done yet is run, what is done is told to plan and scheduler."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler
from ray.tune.search import Searcher

from faceml.config import METRIC_MODES, TuneConfig
from faceml.runs import TrialFolder
from faceml.search import SCORES
from faceml.storage import StorageFolder, place_below, translate_outage
from ray_jobs.search.outage import StopAtOutage
from ray_jobs.search.suggestions import Plan
from ray_jobs.search.trial import trial_folder


class PlanSearcher(Searcher):
    """Suggest the trials of a plan that have not ended, and tell it how each of them ended.

    Args:
        plan: What to try.
        config: Of the search.
        outage: Ends the search if its folders cannot be reached.
    """

    def __init__(self, plan: Plan, config: TuneConfig, outage: StopAtOutage) -> None:
        super().__init__(metric=config.metric, mode=METRIC_MODES[config.metric])
        self._plan = plan
        self._config = config
        self._outage = outage
        self._trials: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune saves its searcher with the search; nobody reads it, and a plan cannot be saved."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return name and settings of the next trial, written into its folder."""
        with self._outage:
            while (suggestion := self._plan.suggest()) is not None:
                folder = trial_folder(self._config, suggestion.trial)
                if folder.outcome is None:
                    folder.begin(suggestion.settings)
                    self._trials[trial_id] = suggestion.trial
                    return {"trial": suggestion.trial, "settings": suggestion.settings}
                self._tell(folder)
        return None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the plan; what counts is in the trial's folder, not in the last result."""
        with self._outage:
            self._tell(trial_folder(self._config, self._trials[trial_id]), failed=error)

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing for Ray: the trials' folders have all that a continued search needs."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing, for the same reason."""

    def _tell(self, folder: TrialFolder, failed: bool = False) -> None:
        failed = failed or (folder.outcome is not None and folder.outcome.error is not None)
        self._plan.tell(folder.name, None if failed else best_value(folder.records, self._config.metric))


def best_value(records: Sequence[dict[str, Any]], metric: str) -> float | None:
    """Return the best of a metric over epochs; None if it has no value in any."""
    values = [record[metric] for record in records if not math.isnan(record[metric])]
    return SCORES[metric].best(values) if values else None


def build_scheduler(config: TuneConfig, ended: Sequence[TrialFolder]) -> TrialScheduler:
    """Build a scheduler that knows of the trials which ended before the search was interrupted."""
    scheduler: Any = _new_scheduler(config)  # it asks no more of a trial than its name
    for folder in ended:
        trial, last = _EndedTrial(folder.name), None
        scheduler.on_trial_add(None, trial)
        for record in folder.records:
            last = record
            if scheduler.on_trial_result(None, trial, record) == TrialScheduler.STOP:
                break
        if last is not None:
            scheduler.on_trial_complete(None, trial, last)
    known: TrialScheduler = scheduler
    return known


@dataclass(frozen=True)
class _EndedTrial:
    """What a scheduler wants to know of a trial."""

    trial_id: str


def _new_scheduler(config: TuneConfig) -> TrialScheduler:
    epochs, scheduler = config.train.training.epochs, config.scheduler
    judged: dict[str, Any] = {
        "time_attr": "epoch",
        "metric": config.metric,
        "mode": METRIC_MODES[config.metric],
    }
    if scheduler.kind == "asha":
        return ASHAScheduler(
            **judged,
            max_t=epochs,
            grace_period=min(scheduler.grace_epochs, epochs),
            reduction_factor=scheduler.reduction_factor,
        )
    if scheduler.kind == "median":
        never: Any = math.inf  # let trials wait for others, which would start them again later
        return MedianStoppingRule(
            **judged,
            grace_period=scheduler.grace_epochs,
            min_samples_required=scheduler.min_trials,
            min_time_slice=never,
        )
    return FIFOScheduler()  # type: ignore[no-untyped-call]


def trial_folders(place: str | Path) -> list[TrialFolder]:
    """Return the trials that began in a folder, given by its path or URI, in their order.

    Raises:
        ConfigError: The store refuses; says why.
        StoppedError: It cannot be reached.
    """
    with translate_outage(str(place)):
        names = StorageFolder(place).folders()
    found = [TrialFolder(place_below(place, name)) for name in names]
    return [trial for trial in found if trial.has_begun]
