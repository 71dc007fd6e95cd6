"""Scores of trials with two values of a setting, paired by seed.

Shape letters: A and B configurations of the two values, n seeds.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from faceml.search.seed_groups import settings_key
from faceml.search.trial import SEED, Trial
from faceml.statistics import MeanDifference, difference_of_best, paired_difference

Floats = npt.NDArray[np.float64]


class ArmScores(NamedTuple):
    """Scores of the trials with one value of a setting, those that did not fail.

    Attributes:
        settings: Settings of each configuration, without the one that is compared and without the seed.
        by_seed: Best and last score of each configuration by seed; the sign is changed where lower is better.
    """

    settings: dict[str, dict[str, Any]]
    by_seed: dict[str, dict[str, tuple[float, float]]]

    @property
    def seeds(self) -> set[str]:
        """Seeds of any configuration."""
        return {seed for scores in self.by_seed.values() for seed in scores}

    @property
    def names(self) -> set[str]:
        """Names of all settings."""
        return {name for settings in self.settings.values() for name in settings}

    def differs_in(self, name: str) -> bool:
        """Whether the configurations do not all have the same value of a setting."""
        return len({settings_key({name: settings.get(name)}) for settings in self.settings.values()}) > 1


class PairedScores(NamedTuple):
    """Difference of two values of a setting, over seeds; larger is better.

    Attributes:
        difference: Difference of the best scores.
        last_difference: Difference of the last scores of the same trials; NaN where one is missing.
        pairs: Differences of the best scores of the pairs of trials.
        choices: Number of configurations that each value was chosen from; of each seed if averaged.
    """

    difference: MeanDifference
    last_difference: float
    pairs: Floats
    choices: tuple[int, int]


def arm_scores(trials: Sequence[Trial], key: str, value: str, epoch: int | None) -> ArmScores:
    """Return the scores of the trials with one value of a setting.

    Args:
        trials: Trials of one search.
        key: Dotted key of the setting.
        value: Its value, as text.
        epoch: Last epoch whose scores count; None for all.
    """
    found = ArmScores({}, {})
    for trial in trials:
        if str(trial.settings.get(key)) != value or trial.error is not None:
            continue
        until = trial.max_epochs if epoch is None else epoch
        best, direction = trial.best_score_until(until), trial.score.direction
        if not math.isnan(best):
            last = [record[trial.metric] for record in trial.records if record["epoch"] <= until][-1]
            settings = {name: chosen for name, chosen in trial.settings.items() if name not in (key, SEED)}
            name, seed = settings_key(settings), str(trial.settings.get(SEED))
            found.settings[name] = settings
            scores = direction * best, math.nan if last is None else direction * float(last)
            found.by_seed.setdefault(name, {})[seed] = scores
    return found


def tuned_scores(first: ArmScores, second: ArmScores) -> PairedScores | None:
    """Compare two values of a setting, each with the configuration that has its best mean over seeds.

    Returns:
        None where a value has no configuration with all seeds that both values were tried with.
    """
    seeds = sorted(first.seeds & second.seeds)
    complete = [
        [[scores[seed] for seed in seeds] for scores in arm.by_seed.values() if scores.keys() >= set(seeds)]
        for arm in (first, second)
    ]
    if not seeds or not all(complete):
        return None
    arms = [np.array(arm) for arm in complete]  # of shape (A or B, n, 2)
    a, b = (arm[arm[:, :, 0].mean(axis=1).argmax()] for arm in arms)
    best, last = (a - b).T
    difference = difference_of_best(arms[0][:, :, 0], arms[1][:, :, 0])
    return PairedScores(difference, float(last.mean()), best, (len(arms[0]), len(arms[1])))


def matched_scores(first: ArmScores, second: ArmScores) -> PairedScores | None:
    """Compare two values of a setting on average over the settings that both were tried with.

    A pair is two trials that differ in nothing else. Pairs with the same seed share initial weights and
    batches, so each seed counts once, with the mean of its pairs.

    Returns:
        None where there are fewer than two such settings, or where a value has settings of its own with
        several values: its mean would be that of good and bad ones.
    """
    shared = first.names & second.names
    if any(arm.differs_in(name) for arm in (first, second) for name in arm.names - shared):
        return None
    mine, theirs = (
        {
            settings_key({key: chosen for key, chosen in settings.items() if key in shared}): arm.by_seed[
                name
            ]
            for name, settings in arm.settings.items()
        }
        for arm in (first, second)
    )
    cells = [(name, seed) for name in mine if name in theirs for seed in mine[name] if seed in theirs[name]]
    count = len({name for name, _ in cells})
    if count < 2:
        return None
    pairs = np.array([np.subtract(mine[name][seed], theirs[name][seed]) for name, seed in cells])
    of_pair = np.array([seed for _, seed in cells])
    seeds = np.stack([pairs[of_pair == seed].mean(axis=0) for seed in sorted(set(of_pair.tolist()))])
    best, last = seeds.T
    return PairedScores(paired_difference(best.tolist()), float(last.mean()), pairs[:, 0], (count, count))
