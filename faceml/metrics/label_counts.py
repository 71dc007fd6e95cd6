"""F1 of independent labels, with confidence intervals.

Shape letters: K labels.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from faceml.statistics import Interval, wilson_interval


@dataclass(frozen=True)
class LabelCounts:
    """Counts of images by annotation and prediction of each label.

    Attributes:
        counts: int64 of shape (K, 2, 2); rows are annotations, columns predictions.
    """

    counts: npt.NDArray[np.int64]

    @property
    def images(self) -> npt.NDArray[np.int64]:
        """Number of annotated images of each label, of shape (K,)."""
        images: npt.NDArray[np.int64] = self.counts.sum(axis=(1, 2))
        return images

    def f1(self) -> npt.NDArray[np.float64]:
        """Return F1 of each label, of shape (K,); NaN if it is neither annotated nor predicted."""
        hits, unions = self._hits_and_unions()
        sizes = hits + unions
        f1: npt.NDArray[np.float64] = np.full(len(hits), np.nan)
        np.divide(2 * hits, sizes, out=f1, where=sizes > 0)
        return f1

    def f1_intervals(self, confidence: float = 0.95) -> list[Interval]:
        """Return the interval of F1 of each label; NaN where there is no F1.

        F1 is 2·J / (1 + J), and J, the share of hits among the images annotated with the label or predicted
        to have it, has a Wilson interval.
        """
        limits = [
            wilson_interval(int(hit), int(union), confidence) if union else (np.nan, np.nan)
            for hit, union in zip(*self._hits_and_unions(), strict=True)
        ]
        return [(2 * low / (1 + low), 2 * high / (1 + high)) for low, high in limits]

    def macro_f1_interval(self, confidence: float = 0.95) -> Interval:
        """Return the means of the limits of the labels' intervals.

        Labels of the same images may be correlated in any way. The interval is exact if their correlation is
        1, and too wide otherwise.
        """
        low, high = np.nanmean(np.array(self.f1_intervals(confidence)), axis=0)
        return float(low), float(high)

    def _hits_and_unions(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        hits = self.counts[:, 1, 1]
        return hits, hits + self.counts[:, 0, 1] + self.counts[:, 1, 0]
