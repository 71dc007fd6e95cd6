"""Ray Tune searcher and schedulers of a plan of trials that may have begun in an earlier run."""

import json
import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler
from ray.tune.search import Searcher

from faceml.config import Settings, StudyConfig, TuneConfig
from faceml.metrics import Score
from faceml.runs import TrialFolder
from faceml.search import search_score
from faceml.storage import StorageFolder, place_below, translate_outage
from ray_jobs.search.outage import StopAtOutage
from ray_jobs.search.trial import trial_folder


class Plan(NamedTuple):
    """Trials in the order in which they begin, the same ones when a search is continued.

    Attributes:
        total: Number of trials.
        trials: Name and settings of each; may depend on the results of those before.
        on_result: Called with the name of each trial that ended and its best metric, None if it failed.
    """

    total: int
    trials: Iterator[tuple[str, Settings]]
    on_result: Callable[[str, float | None], None] | None = None


def list_plan(variants: Sequence[Settings], known: Mapping[str, Settings]) -> Plan:
    """Return the plan of settings that are known before the search begins.

    Args:
        variants: Settings of each trial.
        known: Settings of the trials that began before, by name.
    """
    names = TrialNames(known)
    return Plan(len(variants), ((names.find(settings), settings) for settings in variants))


class TrialNames:
    """Names of trials: one that began before keeps its name when a search has more rounds or seeds.

    Args:
        known: Settings of the trials that began before, by name.
    """

    def __init__(self, known: Mapping[str, Settings]) -> None:
        self._begun = defaultdict[str, deque[str]](deque)
        for name, settings in sorted(known.items()):
            self._begun[settings_key(settings)].append(name)
        self._new = (name for name in map(trial_name, count()) if name not in known)

    def find(self, settings: Settings) -> str:
        """Return the name of the next trial with these settings."""
        begun = self._begun[settings_key(settings)]
        return begun.popleft() if begun else next(self._new)


def settings_key(settings: Settings) -> str:
    """Return a text that is the same for equal settings, read from a file or not."""
    return json.dumps(settings, sort_keys=True)


def trial_name(number: int) -> str:
    """Return the name of the trial with a number, from 0."""
    return f"trial_{number:05}"


class PlanSearcher(Searcher):
    """Suggest the trials of a plan that have not ended.

    The settings of a trial are written into its folder before it begins. Ray Tune's own variant generator
    offers no such moment: a process that dies as it starts would leave a trial without settings, which the
    next run could not continue.

    Args:
        plan: Trials to run.
        config: Configuration of the search or study.
        outage: Ends the search if its folders cannot be reached.
    """

    def __init__(self, plan: Plan, config: TuneConfig | StudyConfig, outage: StopAtOutage) -> None:
        self._score = search_score(config)
        super().__init__(metric=self._score.metric, mode="min" if self._score.minimised else "max")
        self._plan = plan
        self._config = config
        self._outage = outage
        self._names: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Pickle nothing for Ray Tune: a search is continued from the folders of its trials."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return name and settings of the next trial, None after the last one."""
        with self._outage:
            for name, settings in self._plan.trials:
                folder = trial_folder(self._config, name)
                if folder.outcome is None:
                    folder.begin(settings)
                    self._names[trial_id] = name
                    return {"trial": name, "settings": settings}
                self._report_result(folder)
        return None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Report the best metric in the trial's folder to the plan; `result` is only the last one."""
        with self._outage:
            self._report_result(trial_folder(self._config, self._names[trial_id]), failed=error)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: a search is continued from the trials' folders."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""

    def _report_result(self, folder: TrialFolder, failed: bool = False) -> None:
        if self._plan.on_result is None:
            return
        failed = failed or (folder.outcome is not None and folder.outcome.error is not None)
        self._plan.on_result(folder.name, None if failed else best_value(folder.records, self._score))


def best_value(records: Iterable[dict[str, Any]], score: Score) -> float | None:
    """Return the best value of a metric over epochs; None if it has no value in any."""
    values = [record[score.metric] for record in records if not math.isnan(record[score.metric])]
    return score.best(values) if values else None


def build_scheduler(config: TuneConfig, ended: Sequence[TrialFolder]) -> TrialScheduler:
    """Build a scheduler that knows the results of the trials that ended before the search was interrupted."""
    scheduler: Any = _new_scheduler(config)  # of a trial it only uses the name
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
    """The attributes of a trial that schedulers use."""

    trial_id: str


def _new_scheduler(config: TuneConfig) -> TrialScheduler:
    epochs, scheduler = config.train.training.epochs, config.scheduler
    score = search_score(config)
    judged: dict[str, Any] = {
        "time_attr": "epoch",
        "metric": score.metric,
        "mode": "min" if score.minimised else "max",
    }
    if scheduler.kind == "asha":
        return ASHAScheduler(
            **judged,
            max_t=epochs,
            grace_period=min(scheduler.grace_epochs, epochs),
            reduction_factor=scheduler.reduction_factor,
        )
    if scheduler.kind == "median":
        never: Any = math.inf  # pausing trials for others would restart them later
        return MedianStoppingRule(
            **judged,
            grace_period=scheduler.grace_epochs,
            min_samples_required=scheduler.min_trials,
            min_time_slice=never,
        )
    return FIFOScheduler()  # type: ignore[no-untyped-call]


def trial_folders(place: str | Path) -> list[TrialFolder]:
    """Return the folders of the trials that have begun, in the order of their names.

    Args:
        place: Path or URI of the folder that holds them.

    Raises:
        ConfigError: The store denies access.
        StoppedError: The store cannot be reached.
    """
    with translate_outage(str(place)):
        names = StorageFolder(place).folders()
    found = [TrialFolder(place_below(place, name)) for name in names]
    return [trial for trial in found if trial.has_begun]
