"""Confidence intervals of errors and of agreement between measured and true values.

Shape letters: N images.
"""

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from faceml.statistics.means import mean_interval
from faceml.statistics.proportions import Interval

Values = npt.NDArray[np.float64]


def root_mean_square_interval(errors: Values, confidence: float = 0.95) -> Interval | None:
    """Return the interval of the root mean squared error: the roots of Student's interval of the mean square.

    Args:
        errors: Of shape (N,).
        confidence: In (0, 1).

    Returns:
        None for fewer than two errors.
    """
    limits = mean_interval(np.square(errors).tolist(), confidence)
    return limits and (math.sqrt(max(0.0, limits[0])), math.sqrt(limits[1]))


def concordance(values: Values, truth: Values) -> float:
    """Return the concordance correlation coefficient (CCC, Lin 1989) of N pairs.

    It is NaN without pairs, and if both are constant.
    """
    if not len(values):
        return math.nan
    spread = values.var() + truth.var() + (values.mean() - truth.mean()) ** 2
    return 2 * _covariance(values, truth) / float(spread) if spread > 0 else math.nan


def concordance_interval(values: Values, truth: Values, confidence: float = 0.95) -> Interval | None:
    """Return the interval of the concordance correlation coefficient by Fisher's z transformation.

    Lin 1989, "A concordance correlation coefficient to evaluate reproducibility", eq. 5, with the factor of
    the squared shift corrected in Lin 2000 ("A note on the concordance correlation coefficient").

    Args:
        values: Of shape (N,).
        truth: Of shape (N,).
        confidence: In (0, 1).

    Returns:
        None for fewer than four pairs, or if either side is constant.
    """
    number = len(values)
    if number < 4:
        return None
    scale = float(values.std() * truth.std())
    if scale <= 0:
        return None
    ccc, r = concordance(values, truth), _covariance(values, truth) / scale
    if abs(ccc) >= 1:
        return ccc, ccc
    shift = float((values.mean() - truth.mean()) ** 2) / scale
    accuracy = 2 * scale / float(values.var() + truth.var() + (values.mean() - truth.mean()) ** 2)
    # CCC / r is the bias correction factor, which is known where r is 0.
    variance = (
        (1 - r**2) * accuracy**2 * (1 - ccc**2)
        + 2 * ccc**2 * accuracy * (1 - ccc) * shift
        - (ccc * accuracy * shift) ** 2 / 2
    ) / (number - 2)
    margin = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(max(0.0, variance)) / (1 - ccc**2)
    return math.tanh(math.atanh(ccc) - margin), math.tanh(math.atanh(ccc) + margin)


def _covariance(values: Values, truth: Values) -> float:
    return float(((values - values.mean()) * (truth - truth.mean())).mean())
