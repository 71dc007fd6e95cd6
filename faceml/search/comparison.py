"""Comparisons of two values of a setting over the seeds that both were tried with.

Two values are compared in two ways:

* `tuned`: each with the settings that have its best mean over seeds. The test and the interval are corrected
  for this choice (`difference_of_best`). Only this comparison finds a value better.
* `matched`: on average over the settings that both were tried with, where there are several. It needs fewer
  seeds, but an average also depends on settings that nobody would use.

Seeds are the replicates: trials with one seed share initial weights and batches, so that one seed gives no
verdict, whatever the number of settings. Failed trials are excluded. If a scheduler stopped trials early,
those that finished are a selection by their scores: all trials are compared at the last epoch that all
reached, which gives no verdict on the end of the training.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from faceml.metrics import Score
from faceml.search.pairing import arm_scores, matched_scores, tuned_scores
from faceml.search.trial import BASELINE, SEED, Trial, setting_keys
from faceml.statistics import MeanDifference, holm, replicates_needed

Way = Literal["tuned", "matched"]

SIGNIFICANCE = 0.05
PAIRED = {"tuned": tuned_scores, "matched": matched_scores}


@dataclass(frozen=True)
class Comparison:
    """One value of a setting less another.

    Attributes:
        key: Dotted key of the setting.
        value: The value that is compared.
        baseline: The value that it is compared with.
        score: Metric of the comparison.
        way: `tuned` or `matched`.
        difference: Difference of the scores, value minus baseline; its replicates are seeds.
        choices: Numbers of configurations of the value and of the baseline, which the best ones were chosen
            from or which were averaged over.
        pairs: Number of pairs of trials.
        pairs_won: Number of pairs in which the value is better.
        pairs_lost: Number of pairs in which the baseline is better.
        last_difference: Difference of the scores of the last epoch instead of the best one.
        failed: Number of trials of both values that failed.
        epoch: Last epoch whose scores count, because trials were stopped early; None if none was.
        comparisons: Number of comparisons of this setting in this way.
        adjusted_p: Holm's p-value, over all of them; None where the variance cannot be estimated.
        needed: Seeds that resolve a true difference of this size; None where it is not known.
    """

    key: str
    value: str
    baseline: str
    score: Score
    way: Way
    difference: MeanDifference
    choices: tuple[int, int]
    pairs: int
    pairs_won: int
    pairs_lost: int
    last_difference: float | None
    failed: int
    epoch: int | None
    comparisons: int = 1
    adjusted_p: float | None = None
    needed: int | None = None

    @property
    def resolved(self) -> bool:
        """Whether the difference is significant at 5 % (Holm), with no trial stopped early."""
        return self.epoch is None and self.adjusted_p is not None and self.adjusted_p <= SIGNIFICANCE

    @property
    def better(self) -> str:
        """The value with the better mean."""
        return self.value if self.score.direction * self.difference.mean >= 0 else self.baseline

    @property
    def turned(self) -> "Comparison":
        """The same comparison with value and baseline exchanged."""
        return replace(
            self,
            value=self.baseline,
            baseline=self.value,
            difference=self.difference.negated,
            choices=self.choices[::-1],
            pairs_won=self.pairs_lost,
            pairs_lost=self.pairs_won,
            last_difference=None if self.last_difference is None else -self.last_difference,
        )


def compare_values(trials: Sequence[Trial], key: str, way: Way = "tuned") -> list[Comparison]:
    """Compare each pair of values of a setting that have trials to compare.

    Args:
        trials: Trials of a search.
        key: Dotted key of a setting with two values or more.
        way: `tuned` or `matched`.

    Returns:
        A comparison for each pair, with p-values adjusted for all of them (Holm).
    """
    epoch = common_epoch(trials) if any(trial.stopped_early for trial in trials) else None
    arms = {value: arm_scores(trials, key, value, epoch) for value in setting_values(trials, key)}
    score, found = trials[0].score, list[Comparison]()
    for baseline, value in combinations(arms, 2):
        paired = PAIRED[way](arms[value], arms[baseline])
        if paired is not None:
            last = score.direction * paired.last_difference
            difference = paired.difference.negated if score.minimised else paired.difference
            found.append(
                Comparison(
                    key=key,
                    value=value,
                    baseline=baseline,
                    score=score,
                    way=way,
                    difference=difference,
                    choices=paired.choices,
                    pairs=len(paired.pairs),
                    pairs_won=int((paired.pairs > 0).sum()),
                    pairs_lost=int((paired.pairs < 0).sum()),
                    last_difference=None if math.isnan(last) else last,
                    failed=_failed(trials, key, (value, baseline)),
                    epoch=epoch,
                )
            )
    return _adjusted(found)


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


def _adjusted(found: Sequence[Comparison]) -> list[Comparison]:
    """Return comparisons with Holm's p-values and the numbers of seeds needed."""
    tested = [comparison for comparison in found if comparison.difference.varies]
    adjusted = holm([comparison.difference.p_value or 0.0 for comparison in tested])
    # Comparisons that are not resolved are planned for Holm's next level.
    level = SIGNIFICANCE / max(1, sum(p_value > SIGNIFICANCE for p_value in adjusted))
    p_values = {id(comparison): p_value for comparison, p_value in zip(tested, adjusted, strict=True)}
    return [
        replace(
            comparison,
            comparisons=len(found),
            adjusted_p=p_values.get(id(comparison)),
            needed=_needed(comparison, level),
        )
        for comparison in found
    ]


def _needed(comparison: Comparison, level: float) -> int | None:
    """Return the number of seeds that resolve the difference, if the best settings were chosen as often."""
    difference = comparison.difference
    if not difference.deviation:
        return None
    ahead = comparison.choices[comparison.better == comparison.baseline]
    choices = ahead if comparison.way == "tuned" else 1
    return replicates_needed(difference.mean, difference.deviation, level / choices)


def _failed(trials: Sequence[Trial], key: str, values: tuple[str, str]) -> int:
    return sum(trial.error is not None and str(trial.settings.get(key)) in values for trial in trials)
