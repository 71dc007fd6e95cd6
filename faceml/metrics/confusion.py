"""Confusion matrix: accuracy, macro-F1 and scores of each class, with confidence intervals.

Shape letters: E classes, N images.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from faceml.statistics import wilson_interval

Interval = tuple[float, float]
BOOTSTRAP_ROUNDS = 2000


@dataclass(frozen=True)
class ClassScore:
    """Recall, precision and F1 of one class.

    Attributes:
        images: Number of images of the class.
        recall: Share of these images predicted as the class; NaN without images.
        recall_interval: Wilson interval of the recall.
        precision: Share of the images predicted as the class that belong to it; NaN without predictions.
        precision_interval: Wilson interval of the precision.
        f1: Harmonic mean of recall and precision, 2·TP / (images + predictions); NaN without both.
    """

    images: int
    recall: float
    recall_interval: Interval
    precision: float
    precision_interval: Interval
    f1: float


@dataclass(frozen=True)
class ConfusionMatrix:
    """Counts of N images by true class and predicted class.

    Attributes:
        counts: int64 of shape (E, E); rows are true classes, columns predictions.
    """

    counts: npt.NDArray[np.int64]

    @property
    def images(self) -> int:
        """Number N of images."""
        return int(self.counts.sum())

    @property
    def accuracy(self) -> float:
        """Share of images on the diagonal."""
        return float(np.trace(self.counts) / self.images)

    def accuracy_interval(self, confidence: float = 0.95) -> Interval:
        """Return the Wilson interval of the accuracy."""
        return wilson_interval(int(np.trace(self.counts)), self.images, confidence)

    @property
    def macro_f1(self) -> float:
        """Unweighted mean of F1 over the classes that occur among true or predicted labels."""
        return float(_f1(self.counts)[self._occurs].mean())

    def macro_f1_interval(self, confidence: float = 0.95, seed: int = 0) -> Interval:
        """Return the bootstrap percentile interval of macro-F1 (Efron 1979) from 2,000 resamples of N images.

        Resampling images is equivalent to multinomial resampling of the matrix cells. The mean is over the
        same classes in every resample; F1 of a class that a resample misses is 0.
        """
        rng = np.random.default_rng(seed)
        shares = self.counts.ravel() / self.images
        drawn = rng.multinomial(self.images, shares, BOOTSTRAP_ROUNDS).reshape(-1, *self.counts.shape)
        tails = [(1 - confidence) / 2, (1 + confidence) / 2]
        low, high = np.quantile(_f1(drawn)[:, self._occurs].mean(axis=-1), tails)
        return float(low), float(high)

    @property
    def _occurs(self) -> npt.NDArray[np.bool_]:
        """Whether each class occurs among true or predicted labels."""
        return self.counts.sum(axis=0) + self.counts.sum(axis=1) > 0

    def class_scores(self, confidence: float = 0.95) -> list[ClassScore]:
        """Return the scores of each class."""
        hits, true, predicted = np.diagonal(self.counts), self.counts.sum(axis=1), self.counts.sum(axis=0)
        return [
            ClassScore(
                images=int(images),
                recall=_share(hit, images),
                recall_interval=wilson_interval(int(hit), int(images), confidence),
                precision=_share(hit, named),
                precision_interval=wilson_interval(int(hit), int(named), confidence),
                f1=_share(2 * hit, images + named),
            )
            for hit, images, named in zip(hits, true, predicted, strict=True)
        ]


def _share(part: np.int64, whole: np.int64) -> float:
    return float(part / whole) if whole else float("nan")


def _f1(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return F1 of each class, of shape (..., E), from matrices of shape (..., E, E); 0 without images."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    sizes = counts.sum(axis=-1) + counts.sum(axis=-2)
    return np.divide(2 * hits, sizes, out=np.zeros(hits.shape), where=sizes > 0)
