"""Calibration of predicted probabilities.

Shape letters: N images, M bins.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 15
"""Number of bins, as in Guo et al. 2017."""
ROUNDS = 1000
CHANCE_QUANTILE = 0.95

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Confidence and accuracy by bins of equal width.

    Attributes:
        counts: int64 of shape (M,), number of images whose confidence is in the bin.
        right: int64 of shape (M,), number of correctly classified images in the bin.
        confidence: float64 of shape (M,), mean confidence; NaN in empty bins.
        chance_ece: 95th percentile of the ECE of a perfectly calibrated network on this number of images.
    """

    counts: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    confidence: Values
    chance_ece: float

    @property
    def accuracy(self) -> Values:
        """Accuracy in each bin, float64 of shape (M,); NaN in empty bins."""
        shares: Values = np.full(len(self.counts), np.nan)
        np.divide(self.right, self.counts, out=shares, where=self.counts > 0)
        return shares

    @property
    def ece(self) -> float:
        """Expected calibration error, Σ n_m / N · |accuracy_m - confidence_m| (Guo et al. 2017, eq. 3)."""
        return float(_ece(self.counts, self.right, self.confidence))

    @property
    def overconfidence(self) -> float:
        """Mean confidence minus accuracy, over all images."""
        confidence = np.nansum(self.counts * self.confidence)
        return float((confidence - self.right.sum()) / self.counts.sum())

    @property
    def is_off(self) -> bool:
        """Whether the ECE exceeds that of a perfectly calibrated network."""
        return self.ece > self.chance_ece


def measure_calibration(
    probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]
) -> Calibration:
    """Compare the confidence of predictions with their accuracy.

    A calibrated network has a positive ECE on finitely many images. Its distribution is simulated 1,000 times
    by drawing correctness with the predicted confidence (consistency resampling, Bröcker & Smith 2007).

    Args:
        probabilities: Of shape (N, E), rows sum to 1; N is at least 1.
        labels: True classes, of shape (N,).
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    total = np.bincount(bins, confidence, BINS)
    mean = np.divide(total, counts, out=np.full(BINS, np.nan), where=counts > 0)
    rng = np.random.default_rng(0)
    drawn = [
        _ece(counts, np.bincount(bins, rng.random(len(confidence)) < confidence, BINS), mean)
        for _ in range(ROUNDS)
    ]
    hits = np.bincount(bins, right, BINS).astype(np.int64)
    return Calibration(counts, hits, mean, float(np.quantile(drawn, CHANCE_QUANTILE)))


def _ece(counts: npt.NDArray[np.int64], right: npt.NDArray[np.number], confidence: Values) -> np.float64:
    filled = counts > 0
    gaps = np.abs(right[filled] - counts[filled] * confidence[filled])
    total: np.float64 = gaps.sum() / counts.sum()
    return total
