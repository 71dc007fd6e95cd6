"""Confidence intervals of proportions, and of differences of two proportions."""

import math
from statistics import NormalDist
from typing import NamedTuple

Interval = tuple[float, float]
"""Lower and upper limit."""

SMALLEST_VARIANCE = 1e-300


class Estimate(NamedTuple):
    """An estimate and its confidence interval.

    Attributes:
        value: The estimate; of a difference, the first minus the second.
        low: Lower limit of its confidence interval.
        high: Upper limit.
    """

    value: float
    low: float
    high: float

    @property
    def is_resolved(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Compute the score interval of a proportion (Wilson 1927; Brown, Cai & DasGupta 2001, eq. 4).

    Unlike p ± z·σ it stays within [0, 1] and keeps its coverage for few trials and for proportions near 1,
    where accuracies are. Without any trial it is (0, 1).

    Args:
        successes: Number of successes, such as images classified correctly.
        trials: Number of trials, such as images in all.
        confidence: In (0, 1), the probability that the interval covers the true proportion.

    Raises:
        ValueError: `successes` is not within 0 and `trials`.
    """
    if trials == 0:
        return 0.0, 1.0
    from scipy import stats  # slow to import

    limits = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(limits.low), float(limits.high)


def difference_of_shares(a: tuple[int, int], b: tuple[int, int], confidence: float = 0.95) -> Estimate:
    """Compute the difference of two proportions of different images, with Newcombe's interval.

    Newcombe 1998 ("Interval estimation for the difference between independent proportions"), method 10: it
    combines the distances of both proportions from their Wilson limits as the root of the sum of squares.

    Args:
        a: Successes and trials of the first; at least one trial.
        b: The same of the second.
        confidence: In (0, 1).
    """
    shares = a[0] / a[1], b[0] / b[1]
    (low_a, high_a), (low_b, high_b) = (wilson_interval(*counts, confidence) for counts in (a, b))
    value = shares[0] - shares[1]
    below = math.hypot(shares[0] - low_a, high_b - shares[1])
    above = math.hypot(high_a - shares[0], shares[1] - low_b)
    return Estimate(value, value - below, value + above)


def paired_difference_of_shares(only_a: int, only_b: int, trials: int, confidence: float = 0.95) -> Estimate:
    """Compute the difference of two proportions of the same images, with Tango's interval.

    Args:
        only_a: Number of images that only the first classifier is right about.
        only_b: Number of images that only the second classifier is right about.
        trials: Number of all images, at least one.
        confidence: In (0, 1).
    """
    limits = paired_shares_interval(only_a, only_b, trials, confidence)
    return Estimate((only_a - only_b) / trials, *limits)


def paired_shares_interval(gained: int, lost: int, trials: int, confidence: float = 0.95) -> Interval:
    """Compute the score interval of a difference of paired proportions.

    Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design".

    Two classifiers agree on most images; only the images on which exactly one of them is right carry
    information. Unlike mean ± t·s/√n this interval keeps its width where no such image was seen: among n
    images it is then ± z²/(n + z²).

    Args:
        gained: Number of trials in which the second succeeds and the first fails.
        lost: Number of trials in which the first succeeds and the second fails.
        trials: Number of all trials.
        confidence: In (0, 1), the probability that the interval covers the true difference.

    Returns:
        Limits of the second proportion minus the first.

    Raises:
        ValueError: The counts are not within 0 and `trials`.
    """
    from scipy.optimize import bisect  # slow to import

    if min(gained, lost) < 0 or gained + lost > trials:
        raise ValueError(f"{gained} gained and {lost} lost in {trials} trials")
    if trials == 0:
        return -1.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    found = (gained - lost) / trials

    def beyond(difference: float, limit: float) -> float:
        return _tango_score(difference, gained, lost, trials) - limit

    low = bisect(beyond, -1.0, found, args=(z,)) if beyond(-1.0, z) > 0 else -1.0
    high = bisect(beyond, found, 1.0, args=(-z,)) if beyond(1.0, -z) < 0 else 1.0
    return float(low), float(high)


def _tango_score(difference: float, gained: int, lost: int, trials: int) -> float:
    """Compute the score statistic: the observed minus a hypothetical difference, in standard errors.

    The standard error uses the maximum likelihood estimate of the probability q of a loss, given the
    hypothetical difference: the larger root of 2n·q² + b·q + c.
    """
    b = -(gained + lost) + (2 * trials - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    q = (math.sqrt(max(b * b - 8 * trials * c, 0.0)) - b) / (4 * trials)
    variance = trials * (2 * q + difference * (1 - difference))
    return (gained - lost - trials * difference) / math.sqrt(max(variance, SMALLEST_VARIANCE))
