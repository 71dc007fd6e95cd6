"""Comparison of a metric of two models on the same images.

Shape letters: N images.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from faceml.statistics import Interval, paired_difference, paired_difference_of_shares


@dataclass(frozen=True)
class PairedMetric:
    """A metric of two models on the same images.

    Attributes:
        metric: Name of the metric among those of its task.
        label: Name of the metric in reports.
        first: Value of the first model.
        second: Value of the second model.
        difference: Second minus first.
        interval: Interval of the difference; None where it is undefined.
        count: Number of images, or of pairs of images, that the metric was measured on.
        is_share: Whether values are formatted as percent, and differences in percentage points.
        method: Method of the interval.
        agreement: Share of the images for which both models give the same answer; None for numbers.
    """

    metric: str
    label: str
    first: float
    second: float
    difference: float
    interval: Interval | None
    count: int
    is_share: bool
    method: str
    agreement: float | None = None


def compare_shares(
    metric: str,
    label: str,
    first: npt.NDArray[np.bool_],
    second: npt.NDArray[np.bool_],
    agreement: float | None = None,
    *,
    confidence: float = 0.95,
) -> PairedMetric:
    """Compare shares of successes, such as accuracies, with the score interval of Tango 1998.

    Args:
        metric: Name of the metric.
        label: Its name in reports.
        first: Successes of the first model, of shape (N,), at least one image.
        second: Successes of the second model for the same images.
        agreement: See `PairedMetric`.
        confidence: Of the interval, in (0, 1).
    """
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    found = paired_difference_of_shares(gained, lost, len(first), confidence)
    return PairedMetric(
        metric,
        label,
        float(first.mean()),
        float(second.mean()),
        found.value,
        (found.low, found.high),
        len(first),
        is_share=True,
        method="score interval for paired proportions (Tango 1998)",
        agreement=agreement,
    )


def compare_means(
    metric: str,
    label: str,
    first: npt.NDArray[np.floating[Any]],
    second: npt.NDArray[np.floating[Any]],
    *,
    is_share: bool = False,
    confidence: float = 0.95,
) -> PairedMetric:
    """Compare means over images, such as errors, with Student's interval of the paired difference.

    Args:
        metric: Name of the metric.
        label: Its name in reports.
        first: Values of the first model, of shape (N,), at least one image.
        second: Values of the second model for the same images.
        is_share: See `PairedMetric`.
        confidence: Of the interval, in (0, 1).
    """
    found = paired_difference((second - first).tolist(), confidence)
    return PairedMetric(
        metric,
        label,
        float(first.mean()),
        float(second.mean()),
        found.mean,
        found.interval,
        len(first),
        is_share=is_share,
        method="Student's over the faces",
    )
