"""The order in which training faces are drawn, and how often each class is.

Shape letters: N faces, E expressions.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

Sampling = Literal["natural", "balanced", "sqrt"]


class ExpressionSampler(Sampler[int]):
    """Draw N faces for each epoch and deal them out to the workers.

    `natural` draws every face once. `balanced` gives every class that has faces the same share of the draws,
    `sqrt` a share in proportion to the square root of its faces. A class goes through its faces in shuffled
    order and begins again, shuffled anew, when all were seen: two faces of a class differ by at most one
    draw. Shares are rounded down; the draws left over go to classes at random, by their fractions, so that
    every share is exact to within one draw.

    Worker r gets draws r, r + W, r + 2W, … of the one order that all W workers compute from the seed and the
    epoch; the last N mod W draws are left out, so that all have the same number.

    Args:
        labels: Class of each of the N faces.
        sampling: `natural`, `balanced` or `sqrt`.
        num_replicas: W, the number of workers.
        rank: r, this worker, from 0.
        seed: Of the order.
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
        """Choose the epoch whose order is drawn next."""
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
            in_turn = np.concatenate([*passes, faces[:0]])  # of a class that gets no draw there is no pass
            chosen.extend(in_turn[:number].tolist())
        return rng.permutation(np.asarray(chosen, dtype=np.int64))
