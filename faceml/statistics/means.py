"""Student's t intervals and tests of means over replicates, their power and Holm's correction.

Shape letters: n replicates, which are as many pairs where values are paired.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from faceml.statistics.proportions import Interval

POWER = 0.8
"""Conventional power of a planned experiment (Cohen 1988)."""
MOST_REPLICATES = 1000
ROUNDING = 1e-9
"""Relative; differences of float64 numbers that are equal but for rounding differ by less."""


@dataclass(frozen=True)
class MeanDifference:
    """A mean difference with its confidence interval and test.

    Attributes:
        mean: Mean of the differences, or difference of the means.
        interval: Student's or Welch's t interval; None where no variance can be estimated.
        p_value: Two-sided p-value of no difference; None without an interval.
        deviation: Standard deviation of the differences; None without an interval, and if unpaired.
        counts: Numbers of replicates: the number of pairs, or two numbers if unpaired.
    """

    mean: float
    interval: Interval | None
    p_value: float | None
    deviation: float | None
    counts: tuple[int, ...]

    @property
    def paired(self) -> bool:
        """Whether the values were paired."""
        return len(self.counts) == 1


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Compute Student's interval of a mean, mean ± t·s/√n with n - 1 degrees of freedom (Student 1908).

    Args:
        values: n independent measurements.
        confidence: In (0, 1).

    Returns:
        None for fewer than two values, of which no variance can be estimated.
    """
    return None if len(values) < 2 else _t_test(confidence, values)[0]


def paired_difference(differences: Sequence[float], confidence: float = 0.95) -> MeanDifference:
    """Compute the mean of the differences within pairs, with its t interval and test.

    Pairing removes the variance that both values of a pair share. If all differences are equal, rounding
    aside, the interval is a point, and the p-value 0, or 1 if the mean is 0 as well.

    Args:
        differences: One for each of n independent pairs, at least one.
        confidence: In (0, 1).
    """
    count, mean = len(differences), float(np.mean(differences))
    if count < 2:
        return MeanDifference(mean, None, None, None, (count,))
    if np.ptp(differences) <= ROUNDING * np.abs(differences).max():
        return MeanDifference(mean, (mean, mean), 0.0 if mean else 1.0, 0.0, (count,))
    interval, p_value = _t_test(confidence, differences)
    return MeanDifference(mean, interval, p_value, float(np.std(differences, ddof=1)), (count,))


def unpaired_difference(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> MeanDifference:
    """Compute mean(a) - mean(b) with Welch's interval and test (Welch 1947), for unequal variances.

    Args:
        a: Independent values, at least one.
        b: Independent values, at least one.
        confidence: In (0, 1).
    """
    mean, counts = float(np.mean(a) - np.mean(b)), (len(a), len(b))
    if min(counts) < 2:
        return MeanDifference(mean, None, None, None, counts)
    if np.ptp(a) == np.ptp(b) == 0:
        return MeanDifference(mean, (mean, mean), 0.0 if mean else 1.0, None, counts)
    interval, p_value = _t_test(confidence, a, b)
    return MeanDifference(mean, interval, p_value, None, counts)


def replicates_needed(
    difference: float, deviation: float, significance: float = 0.05, power: float = POWER
) -> int | None:
    """Compute how many pairs a paired t test needs to detect a difference.

    It is the smallest n for which a two-sided test detects a true mean difference of this size with the
    required power, P(|T| > t) for T of a noncentral t distribution with n - 1 degrees of freedom and
    noncentrality √n·|difference|/deviation (Cohen 1988, chapter 2; Julious 2010, chapter 4). If both are
    estimates from few pairs, so is the number: an observed difference is often larger than the true one.

    Args:
        difference: True mean of the differences.
        deviation: Their true standard deviation, 0 or more.
        significance: Significance level of the test, in (0, 1).
        power: Required power, in (0, 1).

    Returns:
        At least 2; None where more than `MOST_REPLICATES` would be needed, as for no difference at all.
    """
    if deviation == 0:
        return 2 if difference else None
    effect = abs(difference) / deviation
    if _power(effect, MOST_REPLICATES, significance) < power:
        return None
    return next(n for n in range(2, MOST_REPLICATES + 1) if _power(effect, n, significance) >= power)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for several tests by Holm's step-down method (Holm 1979), in the order given.

    The adjusted value of the k-th smallest of m (from 0) is the largest of (m - j)·p_j over all j up to k, at
    most 1. Rejecting where it is at most α keeps the family-wise error rate below α for any dependence of
    the tests.
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.arange(len(order), 0, -1) * np.asarray(p_values, float)[order]
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return [float(value) for value in adjusted]


def _t_test(confidence: float, *samples: Sequence[float]) -> tuple[Interval, float]:
    """Compute interval and two-sided p-value of one mean, or of the difference of two (Welch)."""
    from scipy import stats  # slow to import

    test: Any
    with warnings.catch_warnings():
        # Equal accuracies of few images are expected: their variance is 0, which is no loss of precision.
        warnings.simplefilter("ignore", RuntimeWarning)
        test = (
            stats.ttest_1samp(*samples, 0.0)
            if len(samples) == 1
            else stats.ttest_ind(*samples, equal_var=False)
        )
        low, high = test.confidence_interval(confidence)
    return (float(low), float(high)), float(test.pvalue)


def _power(effect: float, count: int, significance: float) -> float:
    """Compute the probability that a two-sided paired t test of `count` pairs rejects."""
    from scipy.special import nctdtr, stdtrit

    critical = float(stdtrit(count - 1, 1 - significance / 2))
    noncentrality = math.sqrt(count) * effect
    lower, upper = (float(nctdtr(count - 1, noncentrality, limit)) for limit in (-critical, critical))
    return lower + 1 - upper
