"""Building the plan of a search that a configuration names."""

from collections.abc import Mapping
from importlib.util import find_spec

from faceml.config import METRIC_MODES, ConfigError, Settings, TuneConfig, corners, random_variants
from ray_jobs.search.suggestions import ListPlan, Plan


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
    from ray_jobs.search.tpe import TpePlan  # it imports optuna, which is an extra

    is_better_high = METRIC_MODES[config.metric] == "max"
    rounds, seed = config.num_trials, config.seed
    return TpePlan(config.search, rounds, is_better_high, searcher.startup_rounds, seed, known)


def planned_settings(config: TuneConfig) -> list[Settings]:
    """Return all settings that a search tries; none if they are chosen as results come in."""
    if config.searcher.kind == "random":
        return random_variants(config.search, config.num_trials, config.seed)
    return list(corners(config.search)) if config.searcher.kind == "grid" else []
