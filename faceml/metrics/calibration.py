"""Whether a network is right as often as it says it is.

Shape letters: N images, M bins.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 15
"""As Guo et al. 2017."""
ROUNDS = 1000
CHANCE_QUANTILE = 0.95

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Confidence and accuracy by bins of equal width.

    Attributes:
        counts: int64 of shape (M,), images whose confidence is in the bin.
        right: int64 of shape (M,), those of them that were named right.
        confidence: float64 of shape (M,), mean confidence; NaN of an empty bin.
        chance_ece: Error that a perfectly calibrated network exceeds on so many images once in twenty times.
    """

    counts: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    confidence: Values
    chance_ece: float

    @property
    def accuracy(self) -> Values:
        """Share of each bin that was named right, float64 of shape (M,); NaN of an empty bin."""
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
        said = np.nansum(self.counts * self.confidence)
        return float((said - self.right.sum()) / self.counts.sum())

    @property
    def is_off(self) -> bool:
        """Whether the error is more than chance explains."""
        return self.ece > self.chance_ece


def measure_calibration(
    probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]
) -> Calibration:
    """Compare the probability of the class that is named with how often it is the true one.

    Even a calibrated network has some error on few images. How much is drawn 1,000 times: each image is right
    with the probability that the network gives it (consistency resampling, Bröcker & Smith 2007).

    Args:
        probabilities: Of shape (N, E), each row sums to 1; N is not 0.
        labels: Of shape (N,).
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    said = np.bincount(bins, confidence, BINS)
    mean = np.divide(said, counts, out=np.full(BINS, np.nan), where=counts > 0)
    rng = np.random.default_rng(0)
    drawn = [
        _ece(counts, np.bincount(bins, rng.random(len(confidence)) < confidence, BINS), mean)
        for _ in range(ROUNDS)
    ]
    hits = np.bincount(bins, right, BINS).astype(np.int64)
    return Calibration(counts, hits, mean, float(np.quantile(drawn, CHANCE_QUANTILE)))


def _ece(counts: npt.NDArray[np.int64], right: npt.NDArray[np.number], confidence: Values) -> np.float64:
    taken = counts > 0
    gaps = np.abs(right[taken] - counts[taken] * confidence[taken])
    total: np.float64 = gaps.sum() / counts.sum()
    return total
