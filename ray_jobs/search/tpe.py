"""Optuna's tree-structured Parzen estimator, asked for the next settings and told what came of them."""

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
from ray_jobs.search.suggestions import Suggestion, trial_name

SEED = "seed"


@dataclass(frozen=True)
class _Asked:
    """What a study suggested, and what each seed made of it so far; None: it failed."""

    study: optuna.Study
    number: int
    values: list[float | None] = field(default_factory=list)


class TpePlan:
    """Ask a study of its own for every combination of the grids, in turns; seeds share a study's settings.

    Args:
        search: The dimensions.
        rounds: Settings for each combination of the grids.
        is_better_high: Whether more of the metric is better.
        startup_rounds: Drawn at random.
        seed: Of the random numbers.
        known: Settings of trials that began in a search that is continued, by name; they are suggested again.
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
        # A grid that waits for a drawn value cannot be combined before; the study draws from it.
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
        self._suggestions = self._suggest_all(rounds)

    def suggest(self) -> Suggestion | None:
        """Return the next settings: the same for every seed, then those of the next combination."""
        return next(self._suggestions, None)

    def tell(self, trial: str, value: float | None) -> None:
        """Tell the study the mean over the seeds once all have ended; failed ones are left out of it."""
        asked = self._asked.pop(trial)
        asked.values.append(value)
        if len(asked.values) == len(self._seeds):
            reached = [found for found in asked.values if found is not None]
            state = optuna.trial.TrialState.COMPLETE if reached else optuna.trial.TrialState.FAIL
            asked.study.tell(asked.number, statistics.fmean(reached) if reached else None, state)

    def _suggest_all(self, rounds: int) -> Iterator[Suggestion]:
        names = map(trial_name, range(self.total))
        for _ in range(rounds):
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
                    yield Suggestion(name, settings | seed)

    def _settings(self, trial: optuna.Trial, combined: Settings) -> Settings:
        chosen = dict(combined)
        for key in self._drawn:
            if holds(self._search[key].when, chosen):
                chosen[key] = _suggest(trial, key, self._search[key])
        return {key: chosen[key] for key in self._search if key in chosen}

    def _parameters(self, settings: Settings) -> dict[str, Any]:
        """Return what `_settings` asked a study for when it chose these settings."""
        return {
            key: found.values.index(settings[key]) if isinstance(found, Choice | Grid) else settings[key]
            for key in self._drawn
            if key in settings and (found := self._search[key])
        }


def _suggest(trial: optuna.Trial, key: str, dimension: Dimension) -> Any:
    if isinstance(dimension, Choice | Grid):
        # By its place: values may be lists, which a study does not take.
        return dimension.values[trial.suggest_categorical(key, range(len(dimension.values)))]
    if isinstance(dimension, RandInt):
        return trial.suggest_int(key, dimension.low, dimension.high)
    return trial.suggest_float(key, dimension.low, dimension.high, log=isinstance(dimension, LogUniform))
