"""Which value of a setting is better, judged by trials that share all else.

Two values are compared in two ways:

* `matched`: the mean difference over the settings that both were tried with. A pair is two trials that
  differ in nothing else; settings that only one of the values has, such as a fixed weight, are averaged over
  within each pair. Pairs of one seed share its start and its batches, so that each seed counts as one
  replicate, the mean of its pairs; only where all pairs have one seed, each setting is a replicate.
* `tuned`: each value with its own best settings. Those are chosen, for each seed, by the mean of the other
  seeds, since the best of many on the same seed would look better than it is (leave-one-out, Stone 1974).

Trials that failed take part in neither. A trial that a scheduler stopped has had fewer chances for a good
epoch than one that ran to its end: it is compared only up to an epoch that all trials reached.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from faceml.search.pairing import (
    complete_scores,
    left_out_scores,
    measured_arms,
    scores_by_cell,
)
from faceml.search.scores import Score
from faceml.search.trial import SEED, Trial, setting_keys
from faceml.statistics import MeanDifference, holm, paired_difference, replicates_needed, unpaired_difference

Way = Literal["matched", "tuned"]
Replicates = Literal["seeds", "settings", "trials"]

SIGNIFICANCE = 0.05
BASELINE = "fixed"
"""Of the weightings: others are seen as what they add to it."""


@dataclass(frozen=True)
class Comparison:
    """One value of a setting less another.

    Attributes:
        key: Dotted key of the setting.
        value: What is compared.
        baseline: With what.
        score: By which.
        way: How.
        difference: Of the scores, value less baseline.
        replicates: What is repeated; `trials` are unpaired.
        pairs: Pairs of trials that differ in nothing else; 0 if unpaired.
        pairs_won: In which the value is better.
        pairs_lost: In which the baseline is; in the others both are the same.
        last_difference: The same of the scores of the last epoch, which no choice of an epoch flatters.
        epoch: Up to which scores count; None for all that a trial may have.
        comparisons: Made of this setting in this way.
        adjusted_p: Holm's, over all of them; None where chance cannot be estimated.
        needed: Replicates that would tell, if this difference is the true one; None where it is not known.
    """

    key: str
    value: str
    baseline: str
    score: Score
    way: Way
    difference: MeanDifference
    replicates: Replicates
    pairs: int
    pairs_won: int
    pairs_lost: int
    last_difference: float | None
    epoch: int | None
    comparisons: int = 1
    adjusted_p: float | None = None
    needed: int | None = None

    @property
    def resolved(self) -> bool:
        """Whether chance alone would make such a difference in at most one of twenty searches."""
        return self.adjusted_p is not None and self.adjusted_p <= SIGNIFICANCE

    @property
    def better(self) -> str:
        """The value with the better mean."""
        return self.value if self.score.direction * self.difference.mean >= 0 else self.baseline

    @property
    def turned(self) -> "Comparison":
        """The same the other way round."""
        difference = self.difference
        interval = difference.interval and (-difference.interval[1], -difference.interval[0])
        return replace(
            self,
            value=self.baseline,
            baseline=self.value,
            difference=replace(
                difference, mean=-difference.mean, interval=interval, counts=difference.counts[::-1]
            ),
            pairs_won=self.pairs_lost,
            pairs_lost=self.pairs_won,
            last_difference=None if self.last_difference is None else -self.last_difference,
        )


def compare_values(
    trials: Sequence[Trial], key: str, way: Way = "matched", epoch: int | None = None
) -> list[Comparison]:
    """Compare any two values of a setting that have trials to compare.

    Args:
        trials: Of a search.
        key: Dotted key of a setting with two values or more.
        way: How.
        epoch: Up to which scores count, of trials that reached it; None for the trials that finished.

    Returns:
        One for each two values, with p-values adjusted for all of them (Holm).
    """
    compare = _matched if way == "matched" else _tuned
    pairs = combinations(setting_values(trials, key), 2)
    found = [compare(trials, key, value, baseline, epoch) for baseline, value in pairs]
    comparisons = [comparison for comparison in found if comparison]
    tested = [comparison for comparison in comparisons if _varies(comparison.difference)]
    adjusted = holm([comparison.difference.p_value or 0.0 for comparison in tested])
    # What is not resolved would have to pass at Holm's next level.
    level = SIGNIFICANCE / max(1, sum(p_value > SIGNIFICANCE for p_value in adjusted))
    p_values = {id(comparison): p_value for comparison, p_value in zip(tested, adjusted, strict=True)}
    return [
        replace(
            comparison,
            comparisons=len(comparisons),
            adjusted_p=p_values.get(id(comparison)),
            needed=_needed(comparison.difference, level),
        )
        for comparison in comparisons
    ]


def categorical_keys(trials: Sequence[Trial]) -> list[str]:
    """Return the settings with two named values or more, those of the loss weighting first."""

    def is_categorical(key: str) -> bool:
        values = [trial.settings[key] for trial in trials if key in trial.settings]
        return len(setting_values(trials, key)) > 1 and all(isinstance(v, str | bool) for v in values)

    keys = [key for key in setting_keys(trials) if key != SEED and is_categorical(key)]
    return sorted(keys, key=lambda key: not key.startswith("weighting."))


def setting_values(trials: Sequence[Trial], key: str) -> list[str]:
    """Return the values that a setting has in any trial, `fixed` first, then by name."""
    values = {str(trial.settings[key]) for trial in trials if key in trial.settings}
    return sorted(values, key=lambda value: (value != BASELINE, value))


def common_epoch(trials: Sequence[Trial]) -> int:
    """Return the last epoch that all trials reached, failed ones left aside; 0 without any."""
    return min((trial.epochs for trial in trials if trial.error is None), default=0)


def _matched(
    trials: Sequence[Trial], key: str, value: str, baseline: str, epoch: int | None
) -> Comparison | None:
    arm, other = measured_arms(trials, key, (value, baseline), epoch)
    if not arm or not other:
        return None
    cells, other_cells = scores_by_cell(arm), scores_by_cell(other)
    pairs = {cell: cells[cell] - other_cells[cell] for cell in cells if cell in other_cells}
    seeds = list(dict.fromkeys(seed for _, seed in pairs))
    score = trials[0].score
    if len(pairs) < 2 and min(len(arm), len(other)) > 1:
        difference = unpaired_difference([m.score for m in arm], [m.score for m in other])
        last = float(np.mean([m.last_score for m in arm]) - np.mean([m.last_score for m in other]))
        return Comparison(
            key, value, baseline, score, "matched", difference, "trials", 0, 0, 0, _finite(last), epoch
        )
    if not pairs:
        return None
    # Replicates of shape (n, 2): differences of the best and of the last scores.
    by_seed = [np.mean([pair for (_, s), pair in pairs.items() if s == seed], axis=0) for seed in seeds]
    replicates = np.array(by_seed if len(seeds) > 1 else list(pairs.values()))
    return Comparison(
        key=key,
        value=value,
        baseline=baseline,
        score=score,
        way="matched",
        difference=paired_difference(replicates[:, 0].tolist()),
        replicates="seeds" if len(seeds) > 1 else "settings",
        pairs=len(pairs),
        pairs_won=sum(score.direction * pair[0] > 0 for pair in pairs.values()),
        pairs_lost=sum(score.direction * pair[0] < 0 for pair in pairs.values()),
        last_difference=_finite(float(replicates[:, 1].mean())),
        epoch=epoch,
    )


def _tuned(
    trials: Sequence[Trial], key: str, value: str, baseline: str, epoch: int | None
) -> Comparison | None:
    arms = measured_arms(trials, key, (value, baseline), epoch)
    seeds = sorted({m.seed for m in arms[0]} & {m.seed for m in arms[1]}, key=str)
    tables = [complete_scores(arm, seeds) for arm in arms]
    # With one configuration each there is nothing to choose; with one seed nothing to choose it by.
    if len(seeds) < 2 or not all(map(len, tables)) or max(map(len, tables)) < 2:
        return None
    score = trials[0].score
    chosen, other = (left_out_scores(table, score.direction) for table in tables)
    differences = chosen - other
    return Comparison(
        key=key,
        value=value,
        baseline=baseline,
        score=score,
        way="tuned",
        difference=paired_difference(differences[:, 0].tolist()),
        replicates="seeds",
        pairs=len(seeds),
        pairs_won=int((score.direction * differences[:, 0] > 0).sum()),
        pairs_lost=int((score.direction * differences[:, 0] < 0).sum()),
        last_difference=_finite(float(differences[:, 1].mean())),
        epoch=epoch,
    )


def _varies(difference: MeanDifference) -> bool:
    """Say whether chance can be estimated: equal differences, as of few images, say nothing of it."""
    return difference.interval is not None and difference.interval[0] < difference.interval[1]


def _needed(difference: MeanDifference, level: float) -> int | None:
    if not difference.deviation:
        return None
    return replicates_needed(difference.mean, difference.deviation, level)


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value
