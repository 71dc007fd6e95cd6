"""Plans of the trials of a search: random or grid variants, or Optuna's suggestions."""

from collections.abc import Mapping
from importlib.util import find_spec

from faceml.config import ConfigError, Settings, TuneConfig, corners, random_variants
from faceml.search import search_score
from ray_jobs.search.searcher import Plan, list_plan


def build_plan(config: TuneConfig, known: Mapping[str, Settings]) -> Plan:
    """Build the plan of a search.

    Args:
        config: Configuration of the search.
        known: Settings of the trials that began before it was interrupted or extended, by name.

    Raises:
        ConfigError: The searcher needs a package that is not installed.
    """
    searcher = config.searcher
    if searcher.kind != "tpe":
        return list_plan(planned_settings(config), known)
    if find_spec("optuna") is None:
        raise ConfigError(
            "searcher.kind: tpe needs Optuna. Install it with pip install 'faceml[search]', or set "
            "searcher.kind=random."
        )
    from ray_jobs.search.tpe import TpeStudies  # it imports optuna, which is an extra

    is_better_high = not search_score(config).minimised
    rounds, seed = config.num_trials, config.seed
    studies = TpeStudies(config.search, rounds, is_better_high, searcher.startup_rounds, seed, known)
    return Plan(studies.total, studies.suggest_all(), studies.on_result)


def planned_settings(config: TuneConfig) -> list[Settings]:
    """Return all settings that a search tries; none if they depend on results."""
    if config.searcher.kind == "random":
        return random_variants(config.search, config.num_trials, config.seed)
    return list(corners(config.search)) if config.searcher.kind == "grid" else []
