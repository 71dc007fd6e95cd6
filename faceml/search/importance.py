"""Importance of settings by fANOVA, from Optuna."""

import importlib.util
import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faceml.search.seed_groups import group_seeds
from faceml.search.trial import SEED, Trial, identity, ordered_values, setting_keys, setting_name
from faceml.statistics import Estimate, share_within_groups

if TYPE_CHECKING:
    from optuna import Study

PACKAGES = ("optuna", "sklearn")
INSTALL = "pip install 'faceml[search]'"
FEWEST_TRIALS = 4
"""The forest's trees cannot split fewer trials into two leaves to compare."""
TRIALS_PER_SETTING = 10
"""Rule of thumb of regression for the number of observations per coefficient (Harrell 2015, section 4.4)."""
FOREST_SEED = 0


@dataclass(frozen=True)
class Importance:
    """A setting and the share of the variance that it explains.

    Attributes:
        key: Dotted key.
        share: From 0 to 1; the rest to 1 of one forest is due to interactions of settings.
        within: Description of the trials that have the setting, if not all do.
    """

    key: str
    share: float
    within: str = ""

    @property
    def label(self) -> str:
        """Name of the setting for a chart."""
        return setting_name(self.key) + (f",\n{self.within}" if self.within else "")


def can_measure_importance() -> bool:
    """Return whether the packages that fANOVA needs are installed."""
    return all(importlib.util.find_spec(package) for package in PACKAGES)


def measure_importance(trials: Sequence[Trial]) -> list[Importance]:
    """Return the share of the variance of the scores that each setting explains, the largest first.

    It is fANOVA (Hutter, Hoos & Leyton-Brown 2014, "An efficient approach for assessing hyperparameter
    importance"): a random forest learns the score, and its variance over all combinations of the values tried
    is split among the settings; each has the share of its main effect. A setting that only some trials have
    has no effect on the others: its share is of the variance among those that have it, with a separate
    forest.

    The seed is not a setting. Trials that failed or were stopped early are excluded.

    Args:
        trials: Trials of a search.

    Returns:
        An empty list for fewer than four trials or without any difference between their scores.
    """
    finished = [trial for trial in trials if trial.finished and not math.isnan(trial.best_score)]
    keys = [key for key in setting_keys(finished) if key != SEED]
    common = [key for key in keys if all(key in trial.settings for trial in finished)]
    found = [Importance(key, share) for key, share in _shares(finished, common).items()]
    for key in keys:
        if key not in common:
            having = [trial for trial in finished if key in trial.settings]
            always = [name for name in keys if all(name in trial.settings for trial in having)]
            share = _shares(having, always).get(key)
            found += [] if share is None else [Importance(key, share, f"among {len(having)} trials")]
    return sorted(found, key=lambda importance: (bool(importance.within), -importance.share))


def chance_share(trials: Sequence[Trial]) -> Estimate | None:
    """Estimate the share of the variance that is between seeds of equal settings, which no setting explains.

    Returns:
        None without repeated seeds, without any variance, or if a scheduler stopped trials early: those that
        finished are a selection by their scores.
    """
    if any(trial.stopped_early for trial in trials):
        return None
    return share_within_groups([group.scores for group in group_seeds(trials)])


def is_enough(trials: Sequence[Trial], importances: Sequence[Importance]) -> bool:
    """Return whether there are enough finished trials for reliable shares."""
    return sum(trial.finished for trial in trials) >= TRIALS_PER_SETTING * len(importances)


def _shares(trials: Sequence[Trial], keys: Sequence[str]) -> dict[str, float]:
    """Compute fANOVA's shares of the settings that all these trials have and that differ among them."""
    codes = {key: _codes(trials, key) for key in keys}
    differing = {key: found for key, found in codes.items() if max(found, default=0.0) > 0}
    scores = [trial.best_score for trial in trials]
    if len(trials) < FEWEST_TRIALS or not differing or np.ptp(scores) == 0:
        return {}
    # Imported late: an optional package that no other part of a report needs.
    importance = importlib.import_module("optuna.importance")
    evaluator = importance.FanovaImportanceEvaluator(seed=FOREST_SEED)
    shares = evaluator.evaluate(_study(differing, scores))
    return {key: float(share) for key, share in shares.items()}


def _codes(trials: Sequence[Trial], key: str) -> list[float]:
    """Return the ranks of a setting's values among its distinct values, from 0."""
    places = {identity(value): place for place, value in enumerate(ordered_values(trials, key))}
    return [float(places[identity(trial.settings[key])]) for trial in trials]


def _study(codes: dict[str, list[float]], scores: Sequence[float]) -> "Study":
    """Return the trials as an Optuna study, with the ranks of the settings' values.

    A forest splits between ranks as it would between values, and a margin of half a rank at both ends gives
    every value the same weight. Optuna would one-hot encode categories, which adds combinations that no trial
    can have.
    """
    optuna = importlib.import_module("optuna")
    real = optuna.distributions.FloatDistribution
    distributions = {key: real(-0.5, max(places) + 0.5) for key, places in codes.items()}
    with ExitStack() as afterwards:  # Optuna logs each new study
        afterwards.callback(optuna.logging.set_verbosity, optuna.logging.get_verbosity())
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study: Study = optuna.create_study()
    for row, score in enumerate(scores):
        params = {key: places[row] for key, places in codes.items()}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=score))
    return study
