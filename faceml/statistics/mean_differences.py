"""Whether a difference between trainings is more than chance, and how many seeds would tell.

Shape letters: n replicates, which are as many pairs where values are paired.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import nctdtr, stdtr, stdtrit

Interval = tuple[float, float]

POWER = 0.8
"""Cohen 1988: a difference that is there is to be found in four of five experiments."""
MOST_REPLICATES = 1000
ROUNDING = 1e-9
"""Relative; differences of float64 shares that are equal differ by less."""


@dataclass(frozen=True)
class MeanDifference:
    """A mean difference, and what chance could have made of it.

    Attributes:
        mean: Of the differences, or the difference of the means.
        interval: Of Student's or Welch's t; None where no variance can be estimated.
        p_value: Two-sided, of no difference; None without an interval.
        deviation: Standard deviation of the differences; None without an interval, and if unpaired.
        counts: Replicates: the number of pairs, or two numbers if unpaired.
    """

    mean: float
    interval: Interval | None
    p_value: float | None
    deviation: float | None
    counts: tuple[int, ...]

    @property
    def paired(self) -> bool:
        """Whether each value had its partner."""
        return len(self.counts) == 1


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Return Student's interval of a mean, mean ± t·s/√n with n - 1 degrees of freedom (Student 1908).

    Args:
        values: n independent measurements.
        confidence: In (0, 1).

    Returns:
        Lower and upper limit; None of fewer than two values, which do not show how much they vary.
    """
    count = len(values)
    if count < 2:
        return None
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
    margin = float(stdtrit(count - 1, (1 + confidence) / 2)) * deviation / math.sqrt(count)
    return mean - margin, mean + margin


def paired_difference(differences: Sequence[float], confidence: float = 0.95) -> MeanDifference:
    """Return the mean of the differences within pairs, with its t interval and test.

    Pairing takes out what both of a pair share. Without any variance, rounding aside, the interval is a
    point, and the p-value 0, or 1 if the mean is 0 as well.

    Args:
        differences: One for each of n independent pairs, at least one.
        confidence: In (0, 1).
    """
    count, mean = len(differences), float(np.mean(differences))
    if count < 2:
        return MeanDifference(mean, None, None, None, (count,))
    constant = np.ptp(differences) <= ROUNDING * np.abs(differences).max()
    deviation = 0.0 if constant else float(np.std(differences, ddof=1))
    return MeanDifference(
        mean=mean,
        interval=(mean, mean) if constant else mean_interval(differences, confidence),
        p_value=_two_sided(mean, deviation / math.sqrt(count), count - 1),
        deviation=deviation,
        counts=(count,),
    )


def unpaired_difference(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> MeanDifference:
    """Return mean(a) - mean(b) with Welch's interval and test (Welch 1947), which let variances differ.

    The degrees of freedom are (u + v)² / (u²/(n_a - 1) + v²/(n_b - 1)) with u = s_a²/n_a and v = s_b²/n_b.

    Args:
        a: n_a independent values, at least one.
        b: n_b independent values, at least one.
        confidence: In (0, 1).
    """
    mean, counts = float(np.mean(a) - np.mean(b)), (len(a), len(b))
    if min(counts) < 2:
        return MeanDifference(mean, None, None, None, counts)
    u, v = (float(np.var(values, ddof=1)) / len(values) for values in (a, b))
    error = math.sqrt(u + v)
    freedom = (u + v) ** 2 / (u**2 / (len(a) - 1) + v**2 / (len(b) - 1)) if error else float(min(counts) - 1)
    margin = float(stdtrit(freedom, (1 + confidence) / 2)) * error
    return MeanDifference(
        mean, (mean - margin, mean + margin), _two_sided(mean, error, freedom), None, counts
    )


def replicates_needed(
    difference: float, deviation: float, significance: float = 0.05, power: float = POWER
) -> int | None:
    """Return how many pairs a paired t test needs to find a difference.

    It is the smallest n for which a two-sided test finds a true mean difference of this size with the wanted
    probability, P(|T| > t) for T of a noncentral t distribution with n - 1 degrees of freedom and
    noncentrality √n·|difference|/deviation (Cohen 1988, chapter 2; Julious 2010, chapter 4). If both are
    estimates from few pairs, so is the number: an observed difference is often larger than the true one.

    Args:
        difference: True mean of the differences.
        deviation: Their true standard deviation, 0 or more.
        significance: Of the test, in (0, 1).
        power: The wanted probability, in (0, 1).

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
    """Return p-values that hold for several tests at once (Holm 1979), at most 1, in the order given.

    The adjusted value of the k-th smallest of m (from 0) is the largest of (m - j)·p_j over all j up to k. To
    reject where it is at most α keeps the chance that any true null hypothesis is rejected below α, whatever
    the tests have in common.
    """
    count, largest = len(p_values), 0.0
    adjusted = [0.0] * count
    for rank, index in enumerate(sorted(range(count), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _two_sided(mean: float, error: float, freedom: float) -> float:
    """Return the p-value of a mean with a standard error."""
    if error == 0:
        return 0.0 if mean else 1.0
    return float(2 * stdtr(freedom, -abs(mean) / error))


def _power(effect: float, count: int, significance: float) -> float:
    """Return the probability that a two-sided paired t test of `count` pairs rejects."""
    critical = float(stdtrit(count - 1, 1 - significance / 2))
    noncentrality = math.sqrt(count) * effect
    lower, upper = (float(nctdtr(count - 1, noncentrality, limit)) for limit in (-critical, critical))
    return lower + 1 - upper
