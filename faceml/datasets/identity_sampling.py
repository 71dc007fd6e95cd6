"""Samplers for the training of face recognition.

Shape letters: N images, P people of a batch, K images of each of them, W workers.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler


class ShuffledSampler(Sampler[int]):
    """Draw images in shuffled order regardless of the person: the naive sampling.

    All images are drawn once, then once more in another order, and so on; each epoch continues where the
    last one ended. Worker r gets draws r, r + W, r + 2W, … of an epoch.

    Args:
        num_images: N.
        draws: Draws of each worker per epoch.
        num_replicas: W.
        rank: Rank r of this worker.
        seed: Seed of the order.
    """

    def __init__(
        self, num_images: int, draws: int, num_replicas: int = 1, rank: int = 0, seed: int = 0
    ) -> None:
        self.num_images = num_images
        self.draws = draws
        self.num_replicas = num_replicas
        self.rank = rank
        self.seed = seed
        self.epoch = 1

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next draws, from 1."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of draws of one worker."""
        return self.draws

    def __iter__(self) -> Iterator[int]:
        """Yield this worker's draws of the epoch."""
        of_all = self.draws * self.num_replicas
        start = (self.epoch - 1) * of_all
        first, last = start // self.num_images, (start + of_all - 1) // self.num_images
        orders = [
            np.random.default_rng([self.seed, number]).permutation(self.num_images)
            for number in range(first, last + 1)
        ]
        begin = start - first * self.num_images
        return iter(np.concatenate(orders)[begin : begin + of_all][self.rank :: self.num_replicas].tolist())


class PKSampler(Sampler[int]):
    """Draw batches of P·K images: K images of each of P people.

    An epoch consists of one or more passes over all people; their number brings the draws nearest to N. A
    pass takes people in shuffled order, W·P in each step and P on each worker: a person occurs at most once
    in a step. The last step of a pass is completed with people from the start of the pass.

    A person's images are shuffled once per epoch and drawn K at a time, cyclically: none is drawn twice
    before all are drawn, and of a person with fewer than K images some occur several times in a batch.

    Args:
        labels: Person of each of the N images.
        people_per_batch: P.
        images_per_person: K.
        num_replicas: W.
        rank: Rank of this worker.
        seed: Seed of the order.

    Raises:
        ValueError: There are fewer than W·P people.
    """

    def __init__(
        self,
        labels: Sequence[int],
        people_per_batch: int,
        images_per_person: int,
        num_replicas: int = 1,
        rank: int = 0,
        seed: int = 0,
    ) -> None:
        self.labels = np.asarray(labels, dtype=np.int64)
        _, self._person, self._images = np.unique(self.labels, return_inverse=True, return_counts=True)
        self._first = np.cumsum(self._images) - self._images
        self.people_per_step = people_per_batch * num_replicas
        if len(self._images) < self.people_per_step:
            raise ValueError(
                f"{len(self._images)} people, but a step has {people_per_batch} on each of "
                f"{num_replicas} workers"
            )
        self.people_per_batch = people_per_batch
        self.images_per_person = images_per_person
        self.rank = rank
        self.seed = seed
        self.epoch = 0
        self.passes = max(1, round(len(self.labels) / (len(self._images) * images_per_person)))

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next draws."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of draws of one worker."""
        steps = -(-len(self._images) // self.people_per_step)
        return self.passes * steps * self.people_per_batch * self.images_per_person

    def __iter__(self) -> Iterator[int]:
        """Yield this worker's draws of the epoch, batch after batch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        shuffled = rng.permutation(len(self.labels))
        by_person = shuffled[np.argsort(self._person[shuffled], kind="stable")]
        for number in range(self.passes):
            yield from by_person[self._places(number, self._own_people(rng))].ravel().tolist()

    def _own_people(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Return this worker's people of a pass."""
        people = rng.permutation(len(self._images))
        filled = np.resize(people, -(-len(people) // self.people_per_step) * self.people_per_step)
        return filled.reshape(-1, self.people_per_step // self.people_per_batch, self.people_per_batch)[
            :, self.rank
        ].ravel()

    def _places(self, number: int, people: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return positions of a pass's images among all images sorted by person, of shape (people, K)."""
        turns = number * self.images_per_person + np.arange(self.images_per_person)
        return self._first[people, None] + turns % self._images[people, None]
