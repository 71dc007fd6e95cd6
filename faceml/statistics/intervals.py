"""How sure one can be of a measured share."""

import math
from statistics import NormalDist


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of a share (Wilson 1927; Brown, Cai & DasGupta 2001, eq. 4).

    Unlike share ± z·σ it stays within [0, 1] and keeps its coverage for few trials and for shares near 1,
    where accuracies are. Without any trial it is (0, 1).

    Args:
        successes: Images that were right.
        trials: Images in all.
        confidence: In (0, 1), the probability that the interval covers the true share.

    Returns:
        Lower and upper limit.

    Raises:
        ValueError: `successes` is not within 0 and `trials`.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    center = (successes + z**2 / 2) / (trials + z**2)
    margin = z * math.sqrt(successes * (trials - successes) / trials + z**2 / 4) / (trials + z**2)
    # At 0 and at `trials` the limits are 0 and 1, which rounding would miss.
    low = 0.0 if successes == 0 else center - margin
    high = 1.0 if successes == trials else center + margin
    return low, high
