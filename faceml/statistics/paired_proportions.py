"""How sure one can be of the difference between two shares of the same trials."""

import math
from statistics import NormalDist

from scipy.optimize import bisect

SMALLEST_VARIANCE = 1e-300


def paired_shares_interval(
    gained: int, lost: int, trials: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the score interval of a difference of paired shares.

    Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design".

    Two classifiers on the same images agree on most of them; only those count on which one is right and the
    other is wrong. Unlike mean ± t·s/√n this does not call a difference certain where none was seen: for no
    such image among n it is ± z²/(n + z²).

    Args:
        gained: Trials in which the second succeeds and the first fails.
        lost: Trials in which the first succeeds and the second fails.
        trials: In all.
        confidence: In (0, 1), the probability that the interval covers the true difference.

    Returns:
        Lower and upper limit of the second share minus the first.

    Raises:
        ValueError: The counts are not within 0 and `trials`.
    """
    if min(gained, lost) < 0 or gained + lost > trials:
        raise ValueError(f"{gained} gained and {lost} lost in {trials} trials")
    if trials == 0:
        return -1.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    found = (gained - lost) / trials

    def beyond(difference: float, limit: float) -> float:
        return _score(difference, gained, lost, trials) - limit

    low = bisect(beyond, -1.0, found, args=(z,)) if beyond(-1.0, z) > 0 else -1.0
    high = bisect(beyond, found, 1.0, args=(-z,)) if beyond(1.0, -z) < 0 else 1.0
    return float(low), float(high)


def _score(difference: float, gained: int, lost: int, trials: int) -> float:
    """Return how many deviations what was seen is away from a difference, were it the true one.

    The deviation takes the probability q of a loss that is likeliest then, the root of 2n·q² + b·q + c.
    """
    b = -(gained + lost) + (2 * trials - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    q = (math.sqrt(max(b * b - 8 * trials * c, 0.0)) - b) / (4 * trials)
    variance = trials * (2 * q + difference * (1 - difference))
    return (gained - lost - trials * difference) / math.sqrt(max(variance, SMALLEST_VARIANCE))
