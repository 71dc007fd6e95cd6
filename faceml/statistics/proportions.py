"""How sure one can be of the difference of two measured shares."""

import math
from typing import NamedTuple

from faceml.statistics.intervals import wilson_interval
from faceml.statistics.paired_proportions import paired_shares_interval


class ShareDifference(NamedTuple):
    """A difference of two shares, in [-1, 1].

    Attributes:
        value: The first share minus the second.
        low: Lower limit of its interval.
        high: Upper limit.
    """

    value: float
    low: float
    high: float

    @property
    def is_resolved(self) -> bool:
        """Whether the interval leaves no doubt which is larger."""
        return self.low > 0 or self.high < 0


def difference_of_shares(a: tuple[int, int], b: tuple[int, int], confidence: float = 0.95) -> ShareDifference:
    """Return the difference of two shares of different images, with Newcombe's interval.

    Newcombe 1998 ("Interval estimation for the difference between independent proportions"), method 10: the
    limits are as far from the difference as the Wilson limits of both shares are, in the root of squares.

    Args:
        a: Successes and trials, of which there is at least one.
        b: The same.
        confidence: In (0, 1).
    """
    shares = a[0] / a[1], b[0] / b[1]
    (low_a, high_a), (low_b, high_b) = (wilson_interval(*counts, confidence) for counts in (a, b))
    value = shares[0] - shares[1]
    below = math.hypot(shares[0] - low_a, high_b - shares[1])
    above = math.hypot(high_a - shares[0], shares[1] - low_b)
    return ShareDifference(value, value - below, value + above)


def paired_difference_of_shares(
    only_a: int, only_b: int, trials: int, confidence: float = 0.95
) -> ShareDifference:
    """Return the difference of two shares of the same images, with the interval of `paired_shares_interval`.

    Args:
        only_a: Images that only the first was right about.
        only_b: Images that only the second was right about.
        trials: All images, at least one.
        confidence: In (0, 1).
    """
    limits = paired_shares_interval(only_a, only_b, trials, confidence)
    return ShareDifference((only_a - only_b) / trials, *limits)
