"""Optuna's tree-structured Parzen estimator for search spaces with grids, seeds and conditions."""

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
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
from ray_jobs.search.searcher import TrialNames, settings_key

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
        known: Settings of the trials that began before the search was interrupted or extended, by name, which
            are suggested again.

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
        repeated = search.get(SEED)
        self._seeds: list[Settings] = (
            [{SEED: seed} for seed in repeated.values] if isinstance(repeated, Grid) else [{}]
        )
        grids = {key: found for key, found in search.items() if isinstance(found, Grid) and key != SEED}
        # Grids whose condition depends on a drawn value cannot be enumerated; the study draws from them.
        outer = {key: found for key, found in grids.items() if found.when.keys() <= grids.keys()}
        self._drawn = [key for key in in_order(search) if key not in outer and key != SEED]
        combined = list(combinations(outer, lambda key: outer[key].values))
        self._begun = [self._begun_settings(settings) for settings in combined]
        # Rounds that began before take no random numbers: with the same seed, the next would repeat them.
        seeds_of_studies = [
            np.random.SeedSequence([seed, number, len(before)]) for number, before in enumerate(self._begun)
        ]
        self._studies = [
            (
                settings,
                optuna.create_study(
                    sampler=optuna.samplers.TPESampler(
                        n_startup_trials=startup_rounds, seed=int(seeds.generate_state(1)[0])
                    ),
                    direction="maximize" if is_better_high else "minimize",
                ),
            )
            for settings, seeds in zip(combined, seeds_of_studies, strict=True)
        ]
        self.total = rounds * len(combined) * len(self._seeds)
        self._asked: dict[str, _Asked] = {}
        self._rounds = rounds

    def suggest_all(self) -> Iterator[tuple[str, Settings]]:
        """Yield name and settings of each trial: a suggestion with every seed, then the next study's."""
        names = TrialNames(self._known)
        for number in range(self._rounds):
            for (combined, study), before in zip(self._studies, self._begun, strict=True):
                if number < len(before):
                    study.enqueue_trial(self._parameters(before[number]))
                trial = study.ask()
                settings = self._settings(trial, combined)
                asked = _Asked(study, trial.number)
                for seed in self._seeds:
                    name = names.find(settings | seed)
                    self._asked[name] = asked
                    yield name, settings | seed

    def _begun_settings(self, combined: Settings) -> list[Settings]:
        """Return the settings, without seeds, of the rounds of a study that began before, in their order."""
        found: list[Settings] = []
        times = Counter[str]()
        for _, settings in sorted(self._known.items()):
            if combined.items() <= settings.items():
                without_seed = {key: value for key, value in settings.items() if key != SEED}
                times[settings_key(settings)] += 1
                if times[settings_key(settings)] > found.count(without_seed):
                    found.append(without_seed)
        return found

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
