"""Comparisons of the values of a setting by trials that share all other settings.

Two values are compared in two ways:

* `matched`: the mean difference over the settings that both were tried with. A pair is two trials that
  differ in nothing else; a setting that only one of the values has, such as a fixed weight, is averaged over
  within each pair. Pairs with the same seed share initial weights and batches, so each seed counts as one
  replicate, the mean of its pairs; only if all pairs have the same seed, each pair is a replicate.
* `tuned`: each value with its own best settings. For each seed they are chosen by the mean of the other
  seeds, because choosing by the same seed overestimates the best of many (leave-one-out, Stone 1974).

Failed trials are excluded. A trial that a scheduler stopped had fewer epochs to choose the best of than one
that finished: it is compared only up to an epoch that all trials reached.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from faceml.search.pairing import matched_differences, scores_table, tuned_differences
from faceml.search.scores import Score
from faceml.search.trial import BASELINE, SEED, Trial, setting_keys
from faceml.statistics import MeanDifference, holm, paired_difference, replicates_needed, unpaired_difference

Way = Literal["matched", "tuned"]
Replicates = Literal["seeds", "settings", "trials"]

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Comparison:
    """One value of a setting less another.

    Attributes:
        key: Dotted key of the setting.
        value: The value that is compared.
        baseline: The value that it is compared with.
        score: Metric of the comparison.
        way: `matched` or `tuned`.
        difference: Difference of the scores, value minus baseline.
        replicates: Kind of the replicates; `trials` are unpaired.
        pairs: Number of pairs of trials that differ in nothing else; 0 if unpaired.
        pairs_won: Number of pairs in which the value is better.
        pairs_lost: Number of pairs in which the baseline is better.
        last_difference: Difference of the scores of the last epoch instead of the best one.
        epoch: Last epoch whose scores count; None for all epochs.
        comparisons: Number of comparisons of this setting in this way.
        adjusted_p: Holm's p-value, over all of them; None where the variance cannot be estimated.
        needed: Replicates that resolve a true difference of this size; None where it is not known.
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
        """Whether the difference is significant at 5 % after Holm's correction."""
        return self.adjusted_p is not None and self.adjusted_p <= SIGNIFICANCE

    @property
    def better(self) -> str:
        """The value with the better mean."""
        return self.value if self.score.direction * self.difference.mean >= 0 else self.baseline

    @property
    def turned(self) -> "Comparison":
        """The same comparison with value and baseline exchanged."""
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
    """Compare each pair of values of a setting that have trials to compare.

    Args:
        trials: Trials of a search.
        key: Dotted key of a setting with two values or more.
        way: `matched` or `tuned`.
        epoch: Last epoch whose scores count, of trials that reached it; None for the trials that finished.

    Returns:
        A comparison for each pair, with p-values adjusted for all of them (Holm).
    """
    pairs = combinations(setting_values(trials, key), 2)
    found = [_compare(trials, key, value, baseline, way, epoch) for baseline, value in pairs]
    comparisons = [comparison for comparison in found if comparison]
    tested = [comparison for comparison in comparisons if _varies(comparison.difference)]
    adjusted = holm([comparison.difference.p_value or 0.0 for comparison in tested])
    # Comparisons that are not resolved are planned for Holm's next level.
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
    """Return the settings with two or more named values, those of the loss weighting first."""

    def is_categorical(key: str) -> bool:
        values = [trial.settings[key] for trial in trials if key in trial.settings]
        return len(setting_values(trials, key)) > 1 and all(isinstance(v, str | bool) for v in values)

    keys = [key for key in setting_keys(trials) if key != SEED and is_categorical(key)]
    return sorted(keys, key=lambda key: not key.startswith("weighting."))


def setting_values(trials: Sequence[Trial], key: str) -> list[str]:
    """Return the values that a setting has in any trial, the baseline first, then by name."""
    values = {str(trial.settings[key]) for trial in trials if key in trial.settings}
    return sorted(values, key=lambda value: (value != BASELINE, value))


def common_epoch(trials: Sequence[Trial]) -> int:
    """Return the last epoch that all trials except failed ones reached; 0 without any."""
    return min((trial.epochs for trial in trials if trial.error is None), default=0)


def _compare(
    trials: Sequence[Trial], key: str, value: str, baseline: str, way: Way, epoch: int | None
) -> Comparison | None:
    score = trials[0].score
    table = scores_table(trials, key, (value, baseline), epoch)
    arm, other = (table[table["value"] == name] for name in (value, baseline))
    if arm.empty or other.empty:
        return None
    replicates: Replicates = "seeds"
    if way == "tuned":
        pairs = measured = tuned_differences(table, value, baseline, score.direction)
    else:
        pairs = matched_differences(table, value, baseline)
        measured = pairs.groupby("seed").mean()
        if len(measured) == 1:
            measured, replicates = pairs, "settings"
    if way == "matched" and len(pairs) < 2 and min(len(arm), len(other)) > 1:
        difference, replicates = unpaired_difference(arm["score"], other["score"]), "trials"
        last = arm["last_score"].mean(skipna=False) - other["last_score"].mean(skipna=False)
        pairs = pairs.iloc[:0]
    elif pairs.empty:
        return None
    else:
        difference = paired_difference(measured["score"])
        last = measured["last_score"].mean() if pairs["last_score"].notna().all() else math.nan
    return Comparison(
        key=key,
        value=value,
        baseline=baseline,
        score=score,
        way=way,
        difference=difference,
        replicates=replicates,
        pairs=len(pairs),
        pairs_won=int((score.direction * pairs["score"] > 0).sum()),
        pairs_lost=int((score.direction * pairs["score"] < 0).sum()),
        last_difference=None if math.isnan(last) else float(last),
        epoch=epoch,
    )


def _varies(difference: MeanDifference) -> bool:
    """Return whether the variance can be estimated; equal differences, as of few images, do not allow it."""
    return difference.interval is not None and difference.interval[0] < difference.interval[1]


def _needed(difference: MeanDifference, level: float) -> int | None:
    if not difference.deviation:
        return None
    return replicates_needed(difference.mean, difference.deviation, level)
