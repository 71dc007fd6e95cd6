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
        self, labels: Sequence[int], sampling: Sampling, num_replicas: int = 1, rank: int = 0, seed: int = 0
    ) -> None:
        self.labels = np.asarray(labels, dtype=np.int64)
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
        return len(self.labels) // self.num_replicas

    def __iter__(self) -> Iterator[int]:
        """Yield this worker's draws of the epoch."""
        end = len(self) * self.num_replicas
        return iter(self._draws()[self.rank : end : self.num_replicas].tolist())

    def _draws(self) -> npt.NDArray[np.int64]:
        rng = np.random.default_rng([self.seed, self.epoch])
        if self.sampling == "natural" or not len(self.labels):
            return rng.permutation(len(self.labels))
        classes, counts = np.unique(self.labels, return_counts=True)
        share = np.sqrt(counts) if self.sampling == "sqrt" else np.ones(len(classes))
        exact = len(self.labels) * share / share.sum()
        draws = np.floor(exact).astype(np.int64)
        left = len(self.labels) - int(draws.sum())
        if left:
            fractions = (exact - draws) + 1e-12
            draws[rng.choice(len(classes), left, replace=False, p=fractions / fractions.sum())] += 1
        chosen: list[int] = []
        for label, number in zip(classes, draws, strict=True):
            faces = np.flatnonzero(self.labels == label)
            rounds = -(-int(number) // len(faces))
            passes = [rng.permutation(faces) for _ in range(rounds)]
            in_turn = np.concatenate([*passes, faces[:0]])  # a class without draws has no passes
            chosen.extend(in_turn[:number].tolist())
        return rng.permutation(np.asarray(chosen, dtype=np.int64))
