"""Student's t intervals and tests of means over replicates, their power and Holm's correction.

Shape letters: n replicates, which are as many pairs where values are paired; A and B candidates.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from faceml.statistics.proportions import Interval

POWER = 0.8
"""Conventional power of a planned experiment (Cohen 1988)."""
MOST_REPLICATES = 1000
ROUNDING = 1e-6
"""Relative to the values; differences of float32 metrics that are equal but for rounding differ by less."""


@dataclass(frozen=True)
class MeanDifference:
    """A mean difference with its confidence interval and test.

    Attributes:
        mean: Mean of the differences.
        interval: Student's t interval; None where no variance can be estimated.
        p_value: Two-sided p-value of no difference; None without an interval.
        deviation: Standard deviation of the differences; None without an interval.
        count: Number of replicates, which are pairs.
    """

    mean: float
    interval: Interval | None
    p_value: float | None
    deviation: float | None
    count: int

    @property
    def varies(self) -> bool:
        """Whether the variance can be estimated: neither from one replicate nor from equal differences."""
        return bool(self.deviation)

    @property
    def negated(self) -> "MeanDifference":
        """The same difference with both sides exchanged."""
        interval = self.interval and (-self.interval[1], -self.interval[0])
        return replace(self, mean=-self.mean, interval=interval)


def mean_interval(
    values: Sequence[float] | npt.NDArray[np.floating], confidence: float = 0.95
) -> Interval | None:
    """Compute Student's interval of a mean, mean ± t·s/√n with n - 1 degrees of freedom (Student 1908).

    Args:
        values: n independent measurements.
        confidence: In (0, 1).

    Returns:
        None for fewer than two values, of which no variance can be estimated.
    """
    if len(values) < 2:
        return None
    found = np.asarray(values, dtype=np.float64)
    return student_interval(float(found.mean()), float(found.std(ddof=1)), len(found), confidence)


def student_interval(mean: float, deviation: float, count: int, confidence: float = 0.95) -> Interval:
    """Compute the interval of `mean_interval` from the mean and the standard deviation.

    Args:
        mean: Mean of n independent measurements.
        deviation: Their standard deviation, with n - 1 degrees of freedom.
        count: n, at least 2.
        confidence: In (0, 1).
    """
    margin = _critical(count, (1 - confidence) / 2) * deviation / math.sqrt(count)
    return mean - margin, mean + margin


def paired_difference(differences: Sequence[float], confidence: float = 0.95) -> MeanDifference:
    """Compute the mean of the differences within pairs, with its t interval and test.

    Pairing removes the variance that both values of a pair share. If all differences are equal, rounding
    aside, the interval is a point, and the p-value 0, or 1 if the mean is 0 as well.

    Args:
        differences: One for each of n independent pairs, at least one.
        confidence: In (0, 1).
    """
    values = np.asarray(differences, float)[None]
    return difference_of_best(values, np.zeros_like(values), confidence)


def difference_of_best(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], confidence: float = 0.95
) -> MeanDifference:
    """Compute the difference of the largest means of two sets of candidates, with interval and test.

    The candidates with the largest observed means, i of a and j of b, were chosen from the values that they
    are compared by, which a t test of their difference ignores. This test is corrected for the choice: a has
    the larger best mean if its candidate i exceeds *every* candidate of b in a one-sided paired t test at the
    level α / (2·A) (intersection-union test, Berger 1982; Bonferroni for the choice of i among A); likewise
    for b. It holds its level α for any number of candidates, any variances and any correlations of the
    candidates, because the truly best candidate of b is among those that i must exceed. With one candidate
    each it is the paired t test. The interval contains the differences that the test does not reject.

    Args:
        a: Values of A candidates in each of n independent replicates, of shape (A, n).
        b: Values of B candidates in the same replicates, of shape (B, n).
        confidence: 1 - α, in (0, 1).

    Returns:
        mean(a_i) - mean(b_j). If all n differences of i and j are equal, rounding aside, the interval is a
        point, and the p-value 0, or 1 if the mean is 0 as well.
    """
    count = a.shape[1]
    first, second = (values[values.mean(axis=1).argmax()] for values in (a, b))
    mean, largest = float(np.mean(first - second)), float(np.abs([first, second]).max())
    if count < 2:
        return MeanDifference(mean, None, None, None, count)
    if np.ptp(first - second) <= ROUNDING * largest:
        return MeanDifference(mean, (mean, mean), 0.0 if mean else 1.0, 0.0, count)
    low, p_first = _lead(first, b, len(a), confidence)
    minus_high, p_second = _lead(second, a, len(b), confidence)
    deviation = float(np.std(first - second, ddof=1))
    return MeanDifference(mean, (low, -minus_high), min(1.0, 2 * min(p_first, p_second)), deviation, count)


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
    effect, counts = abs(difference) / deviation, range(2, MOST_REPLICATES + 1)
    place = bisect_left(counts, power, key=lambda count: _power(effect, count, significance))
    return counts[place] if place < len(counts) else None


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


def _lead(
    candidate: npt.NDArray[np.float64], others: npt.NDArray[np.float64], choices: int, confidence: float
) -> tuple[float, float]:
    """Compute the lower limit and the one-sided p-value of a candidate's lead over all others.

    Args:
        candidate: Values of the candidate, of shape (n,).
        others: Values of the others, of shape (B, n).
        choices: Number of candidates that it was chosen from.
        confidence: Confidence of a two-sided interval.
    """
    from scipy.special import stdtr

    leads = candidate - others
    count = leads.shape[1]
    means, errors = leads.mean(axis=1), leads.std(axis=1, ddof=1) / math.sqrt(count)
    low = float((means - _critical(count, (1 - confidence) / 2 / choices) * errors).min())
    # A lead that is the same in every replicate has an infinite t, unless it is 0.
    t = np.divide(means, errors, out=np.where(means, np.copysign(math.inf, means), 0.0), where=errors > 0)
    return low, min(1.0, choices * float(stdtr(count - 1, -t).max()))


def _critical(count: int, tail: float) -> float:
    """Return the value that Student's t with n - 1 degrees of freedom exceeds with a probability."""
    from scipy.special import stdtrit

    return -float(stdtrit(count - 1, tail))


def _power(effect: float, count: int, significance: float) -> float:
    """Compute the probability that a two-sided paired t test of `count` pairs rejects."""
    from scipy.special import nctdtr

    critical, noncentrality = _critical(count, significance / 2), math.sqrt(count) * effect
    # Far below the noncentrality, where the probability is 0 in float64, the lower tail is returned as NaN.
    lower, upper = np.nan_to_num(nctdtr(count - 1, noncentrality, [-critical, critical]))
    return float(lower + 1 - upper)
