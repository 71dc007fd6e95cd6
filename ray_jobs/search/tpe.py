"""Optuna's tree-structured Parzen estimator for search spaces with grids, seeds and conditions."""

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna

from faceml.config import (
    Choice,
    Dimension,
    Grid,
    LogUniform,
    RandInt,
    Search,
    Settings,
    combinations,
    holds,
    in_order,
)
from ray_jobs.search.searcher import trial_name

SEED = "seed"


@dataclass(frozen=True)
class _Asked:
    """An Optuna trial and the results of its seeds so far, None for those that failed."""

    study: optuna.Study
    number: int
    values: list[float | None] = field(default_factory=list)


class TpeStudies:
    """Suggest settings by one Optuna study for each combination of the grids, in turns.

    All seeds are trained with the same suggestion, and the study receives their mean.

    Args:
        search: Dimensions of the search space.
        rounds: Number of suggestions for each combination of the grids.
        is_better_high: Whether higher values of the metric are better.
        startup_rounds: Number of first rounds that are drawn at random.
        seed: Seed of the random numbers.
        known: Settings of the trials that began before the search was interrupted, by name, which are
            suggested again.

    Attributes:
        total: Number of trials.
    """

    def __init__(
        self,
        search: Search,
        rounds: int,
        is_better_high: bool,
        startup_rounds: int,
        seed: int,
        known: Mapping[str, Settings],
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._search = search
        self._known = known
        seeds = search.get(SEED)
        self._seeds: list[Settings] = [{SEED: s} for s in seeds.values] if isinstance(seeds, Grid) else [{}]
        grids = {key: found for key, found in search.items() if isinstance(found, Grid) and key != SEED}
        # Grids whose condition depends on a drawn value cannot be enumerated; the study draws from them.
        outer = {key: found for key, found in grids.items() if found.when.keys() <= grids.keys()}
        self._drawn = [key for key in in_order(search) if key not in outer and key != SEED]
        combined = list(combinations(outer, lambda key: outer[key].values))
        self._studies = [
            (
                settings,
                optuna.create_study(
                    sampler=optuna.samplers.TPESampler(n_startup_trials=startup_rounds, seed=seed + number),
                    direction="maximize" if is_better_high else "minimize",
                ),
            )
            for number, settings in enumerate(combined)
        ]
        self.total = rounds * len(combined) * len(self._seeds)
        self._asked: dict[str, _Asked] = {}
        self._rounds = rounds

    def suggest_all(self) -> Iterator[tuple[str, Settings]]:
        """Yield name and settings of each trial: a suggestion with every seed, then the next study's."""
        names = map(trial_name, range(self.total))
        for _ in range(self._rounds):
            for combined, study in self._studies:
                group = [next(names) for _ in self._seeds]
                begun = next((self._known[name] for name in group if name in self._known), None)
                if begun is not None:
                    study.enqueue_trial(self._parameters(begun))
                trial = study.ask()
                settings = self._settings(trial, combined)
                asked = _Asked(study, trial.number)
                for name, seed in zip(group, self._seeds, strict=True):
                    self._asked[name] = asked
                    yield name, settings | seed

    def on_result(self, trial: str, value: float | None) -> None:
        """Pass the mean over the seeds that did not fail to the study, once all seeds have ended."""
        asked = self._asked.pop(trial)
        asked.values.append(value)
        if len(asked.values) == len(self._seeds):
            reached = [found for found in asked.values if found is not None]
            state = optuna.trial.TrialState.COMPLETE if reached else optuna.trial.TrialState.FAIL
            asked.study.tell(asked.number, statistics.fmean(reached) if reached else None, state)

    def _settings(self, trial: optuna.Trial, combined: Settings) -> Settings:
        chosen = dict(combined)
        for key in self._drawn:
            if holds(self._search[key].when, chosen):
                chosen[key] = _suggest(trial, key, self._search[key])
        return {key: chosen[key] for key in self._search if key in chosen}

    def _parameters(self, settings: Settings) -> dict[str, Any]:
        """Return the Optuna parameters that `_settings` turns into these settings."""
        return {
            key: found.values.index(settings[key]) if isinstance(found, Choice | Grid) else settings[key]
            for key in self._drawn
            if key in settings and (found := self._search[key])
        }


def _suggest(trial: optuna.Trial, key: str, dimension: Dimension) -> Any:
    if isinstance(dimension, Choice | Grid):
        # By index: values may be lists, which Optuna does not accept.
        return dimension.values[trial.suggest_categorical(key, range(len(dimension.values)))]
    if isinstance(dimension, RandInt):
        return trial.suggest_int(key, dimension.low, dimension.high)
    return trial.suggest_float(key, dimension.low, dimension.high, log=isinstance(dimension, LogUniform))
