"""Sampler for multitask training, with optional balancing of classes.

Shape letters: N faces.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

Sampling = Literal["natural", "balanced", "sqrt"]


class ClassSampler(Sampler[int]):
    """Draw N faces per epoch and divide them among the workers.

    `natural` draws every face once. `balanced` gives each class that has faces the same share of the draws,
    `sqrt` a share proportional to the square root of its number of faces. The faces of a class are drawn in
    shuffled order, and in another order once all have been drawn: draws of two faces of a class differ by at
    most one. Shares are rounded down, and the remaining draws go to classes at random, weighted by the
    fractions, so that each share is exact to within one draw. Faces without a class, which have the label -1,
    are drawn as if they were one.

    All W workers compute the same order from the seed and the epoch; worker r gets its draws r, r + W,
    r + 2W, … The last N mod W draws are dropped, so that all workers have the same number.

    Args:
        labels: Class of each of the N faces.
        sampling: `natural`, `balanced` or `sqrt`.
        num_replicas: W, the number of workers.
        rank: Rank r of this worker.
        seed: Seed of the order.
    """

    def __init__(
        self,
        labels: Sequence[int] | npt.NDArray[np.integer],
        sampling: Sampling,
        num_replicas: int = 1,
        rank: int = 0,
        seed: int = 0,
    ) -> None:
        self.num_faces = len(labels)
        self.labels = np.empty(0, np.int16) if sampling == "natural" else narrowed(labels)
        self.sampling = sampling
        self.num_replicas = num_replicas
        self.rank = rank
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next draws."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of draws of one worker."""
        return self.num_faces // self.num_replicas

    def __iter__(self) -> Iterator[int]:
        """Yield this worker's draws of the epoch."""
        end = len(self) * self.num_replicas
        return integers(self._draws()[self.rank : end : self.num_replicas])

    def _draws(self) -> npt.NDArray[np.int64]:
        rng = np.random.default_rng([self.seed, self.epoch])
        if self.sampling == "natural" or not self.num_faces:
            return rng.permutation(self.num_faces)
        classes, counts = np.unique(self.labels, return_counts=True)
        share = np.sqrt(counts) if self.sampling == "sqrt" else np.ones(len(classes))
        exact = self.num_faces * share / share.sum()
        draws = np.floor(exact).astype(np.int64)
        left = self.num_faces - int(draws.sum())
        if left:
            fractions = (exact - draws) + 1e-12
            draws[rng.choice(len(classes), left, replace=False, p=fractions / fractions.sum())] += 1
        by_class = np.argsort(self.labels, kind="stable")
        chosen, first, filled = np.empty(self.num_faces, dtype=np.int64), 0, 0
        for count, number in zip(counts.tolist(), draws.tolist(), strict=True):
            for drawn in range(0, number, count):  # each pass in another order; the last may be incomplete
                part = rng.permutation(by_class[first : first + count])[: number - drawn]
                chosen[filled : filled + len(part)] = part
                filled += len(part)
            first += count
        rng.shuffle(chosen)
        return chosen


def integers(draws: npt.NDArray[np.int64]) -> Iterator[int]:
    """Yield draws as integers of Python, a few at a time: all of an epoch would take 40 bytes each."""
    for start in range(0, len(draws), INTEGERS_AT_ONCE):
        yield from draws[start : start + INTEGERS_AT_ONCE].tolist()


def narrowed(labels: Sequence[int] | npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """Return labels in 2 or 4 bytes each, where they fit; the narrower, the faster they are sorted."""
    found = np.asarray(labels, dtype=np.int64)
    low, high = (int(found.min()), int(found.max())) if len(found) else (0, 0)
    for kind in (np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return found.astype(kind)
    return found


INTEGERS_AT_ONCE = 4096
