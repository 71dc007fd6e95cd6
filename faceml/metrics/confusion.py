"""Confusion matrix: accuracy, macro-F1 and scores of each class, with confidence intervals.

Shape letters: E classes, N images.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from faceml.statistics import wilson_interval

Interval = tuple[float, float]


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
        hits, sizes = _hits_and_sizes(self._occurring)
        return float((2 * hits / sizes).mean())

    def macro_f1_interval(self, confidence: float = 0.95) -> Interval:
        """Return the interval of macro-F1 that follows from those of its classes.

        MOVER (Zou & Donner 2008, with correlations Zou 2007): the distances of the limits from F1 of each
        class are added like correlated standard errors. F1 is 2·J / (1 + J), and J, the share of hits among
        the images that are of a class or predicted as it, has a Wilson interval. A bootstrap takes a class
        without any hit for one that is never recognised, and does not cover the true value if classes are
        rare.
        """
        hits, sizes = _hits_and_sizes(self._occurring)
        unions = sizes - hits
        limits = np.array(
            [wilson_interval(int(k), int(n), confidence) for k, n in zip(hits, unions, strict=True)]
        )
        scores, (low, high) = 2 * hits / sizes, (2 * limits / (1 + limits)).T
        correlations, mean = _f1_correlations(self._occurring), float(scores.mean())
        below, above = (
            float(np.sqrt(distances @ correlations @ distances)) / len(scores)
            for distances in (scores - low, high - scores)
        )
        return max(0.0, mean - below), min(1.0, mean + above)

    @property
    def _occurring(self) -> npt.NDArray[np.int64]:
        """Counts of the classes that occur among true or predicted labels."""
        occurs = np.flatnonzero(self.counts.sum(axis=0) + self.counts.sum(axis=1))
        return self.counts[np.ix_(occurs, occurs)]

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


def _hits_and_sizes(
    counts: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the numbers of hits and of true plus predicted labels of each class."""
    return np.diagonal(counts), counts.sum(axis=0) + counts.sum(axis=1)


def _f1_correlations(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the correlations of F1 of the classes, of shape (E, E), by the delta method.

    An image of one class that is predicted as another lowers F1 of both.
    """
    hits, sizes = _hits_and_sizes(counts)
    slopes = (
        2 * hits / sizes**2
    )  # F1 falls by as much with an error, and rises by 2 / size less it with a hit
    covariances = (counts + counts.T) * np.outer(slopes, slopes)
    variances = hits * (2 / sizes - 2 * slopes) ** 2 + (sizes - 2 * hits) * slopes**2
    scale = np.sqrt(np.outer(variances, variances))
    correlations = np.divide(covariances, scale, out=np.zeros(scale.shape), where=scale > 0)
    np.fill_diagonal(correlations, 1.0)
    return correlations
