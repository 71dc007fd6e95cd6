"""The trials of a search in the order in which they begin, drawn ahead of time or as results come in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

from faceml.config.config_error import ConfigError
from faceml.config.tune import METRIC_MODES, TuneConfig
from faceml.config.variants import Settings, corners, random_variants


@dataclass(frozen=True)
class Suggestion:
    """Settings to try.

    Attributes:
        trial: Name of the trial.
        settings: Dotted keys with their values.
    """

    trial: str
    settings: Settings


class Plan(Protocol):
    """Suggests one trial after the other, the same ones when the search is continued."""

    total: int
    """Trials in all."""

    def suggest(self) -> Suggestion | None:
        """Return the next one; None if there is no other."""
        ...

    def tell(self, trial: str, value: float | None) -> None:
        """Hear of a trial's best metric, None if it failed."""
        ...


class ListPlan:
    """Settings that were chosen before, whatever comes of them.

    Args:
        variants: In the order in which they begin.
    """

    def __init__(self, variants: Sequence[Settings]) -> None:
        self.total = len(variants)
        self._suggestions = iter(
            [Suggestion(trial_name(number), settings) for number, settings in enumerate(variants)]
        )

    def suggest(self) -> Suggestion | None:
        """Return the next settings."""
        return next(self._suggestions, None)

    def tell(self, trial: str, value: float | None) -> None:
        """Change nothing."""


def trial_name(number: int) -> str:
    """Return the name of the trial of a number, from 0."""
    return f"trial_{number:05}"


def build_plan(config: TuneConfig, known: Mapping[str, Settings]) -> Plan:
    """Build the plan of a search.

    Args:
        config: Of the search.
        known: Settings of the trials that began before it was interrupted, by name.

    Raises:
        ConfigError: The searcher needs a package that is not installed.
    """
    searcher = config.searcher
    if searcher.kind != "tpe":
        return ListPlan(planned_settings(config))
    if find_spec("optuna") is None:
        raise ConfigError(
            "searcher.kind: tpe needs Optuna. Install it with pip install 'faceml[search]', or set "
            "searcher.kind=random."
        )
    from ray_jobs.tune_tpe import TpePlan  # it imports optuna, which is an extra

    is_better_high = METRIC_MODES[config.metric] == "max"
    rounds, seed = config.num_trials, config.seed
    return TpePlan(config.search, rounds, is_better_high, searcher.startup_rounds, seed, known)


def planned_settings(config: TuneConfig) -> list[Settings]:
    """Return all settings that a search tries; none if they are chosen as results come in."""
    if config.searcher.kind == "random":
        return random_variants(config.search, config.num_trials, config.seed)
    return list(corners(config.search)) if config.searcher.kind == "grid" else []
