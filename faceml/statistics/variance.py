"""Components of a variance, between groups and within them.

Shape letters: g groups, N values in all, n_i values of group i.
"""

from collections.abc import Sequence

import numpy as np

from faceml.statistics.proportions import Estimate


def share_within_groups(groups: Sequence[Sequence[float]], confidence: float = 0.95) -> Estimate | None:
    """Estimate which share of the variance of a value is within groups, w / (w + b).

    The components are those of the one-way analysis of variance: the mean square within groups estimates w,
    and the mean square between groups w + n·b, so F, their ratio, estimates 1 + n·b/w. The share is therefore
    n / (F + n - 1), and its limits follow from the quantiles of F (Searle, Casella & McCulloch 1992, sections
    3.5 and 3.6). The ratio of the sums of squares would not do: of values that differ by chance alone it is
    (N - g) / (N - 1) on average. For groups of unequal size, n = (N - Σ n_i²/N) / (g - 1), and the interval
    is approximate.

    Args:
        groups: Values of each group.
        confidence: In (0, 1).

    Returns:
        Share in [0, 1]; None for fewer than two groups, where no group has two values, or where all values
        are equal.
    """
    values = [np.asarray(group, float) for group in groups if len(group)]
    sizes = np.array([len(group) for group in values])
    number, total = len(values), int(sizes.sum())
    if number < 2 or total == number or np.ptp(np.concatenate(values)) == 0:
        return None
    from scipy.special import fdtri

    means = np.array([group.mean() for group in values])
    between = float((sizes * (means - np.concatenate(values).mean()) ** 2).sum()) / (number - 1)
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in values) / (total - number)
    if within == 0:
        return Estimate(0.0, 0.0, 0.0)
    size = float(total - (sizes**2).sum() / total) / (number - 1)
    freedom = (number - 1, total - number)

    def share(ratio: float) -> float:
        return float(np.clip(size / max(ratio + size - 1, size), 0.0, 1.0))

    found = between / within
    low, high = (found / fdtri(*freedom, level) for level in ((1 + confidence) / 2, (1 - confidence) / 2))
    return Estimate(share(found), share(high), share(low))
