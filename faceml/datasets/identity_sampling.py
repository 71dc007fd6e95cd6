"""Samplers for the training of face recognition.

Shape letters: N images, P people of a batch, K images of each of them, W workers.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from faceml.datasets.sampling import integers, narrowed


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
        parts = [self._part(number, start, start + of_all) for number in range(first, last + 1)]
        drawn = np.concatenate(parts)
        return integers(drawn[self.rank :: self.num_replicas])

    def _part(self, number: int, start: int, end: int) -> npt.NDArray[np.int64]:
        """Return the draws from `start` to `end` that are in the order of this number."""
        order = np.random.default_rng([self.seed, number]).permutation(self.num_images)
        first = number * self.num_images
        return order[max(0, start - first) : end - first]


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
        labels: Sequence[int] | npt.NDArray[np.integer],
        people_per_batch: int,
        images_per_person: int,
        num_replicas: int = 1,
        rank: int = 0,
        seed: int = 0,
    ) -> None:
        _, person, self._images = np.unique(narrowed(labels), return_inverse=True, return_counts=True)
        self._person = narrowed(person)
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
        self.passes = _passes(len(labels), len(self._images), images_per_person)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next draws."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of draws of one worker."""
        return pk_draws(
            len(self._person),
            len(self._images),
            self.people_per_batch,
            self.images_per_person,
            self.people_per_step // self.people_per_batch,
        )

    def __iter__(self) -> Iterator[int]:
        """Yield this worker's draws of the epoch, batch after batch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        by_person, visits = self._by_person(rng), np.zeros(len(self._images), dtype=np.int64)
        for _ in range(self.passes):
            people = self._fill_steps(rng.permutation(len(visits)))
            is_again = np.arange(len(people)) >= len(visits)
            places = self._places(people, visits[people] + is_again)
            visits += np.bincount(people)
            yield from integers(by_person[self._own(places)].ravel())

    def _by_person(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Return all images sorted by person, those of a person in shuffled order."""
        shuffled = rng.permutation(len(self._person))
        by_person: npt.NDArray[np.int64] = shuffled[np.argsort(self._person[shuffled], kind="stable")]
        return by_person

    def _fill_steps(self, people: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the people of all steps of a pass; the first ones again in the last step, if it has room."""
        steps = -(-len(people) // self.people_per_step)
        return np.resize(people, steps * self.people_per_step)

    def _places(self, people: npt.NDArray[np.int64], visits: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return positions of images among all images sorted by person, of shape (people, K).

        Args:
            people: People of a pass.
            visits: How often each has been drawn before in this epoch.
        """
        turns = visits[:, None] * self.images_per_person + np.arange(self.images_per_person)
        places: npt.NDArray[np.int64] = self._first[people, None] + turns % self._images[people, None]
        return places

    def _own(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return this worker's rows of all steps, given those of all workers."""
        workers = self.people_per_step // self.people_per_batch
        return places.reshape(-1, workers, self.people_per_batch, self.images_per_person)[:, self.rank]


def pk_draws(
    num_images: int, num_people: int, people_per_batch: int, images_per_person: int, num_replicas: int
) -> int:
    """Return the number of draws of one worker per epoch, see `PKSampler`."""
    steps = -(-num_people // (people_per_batch * num_replicas))
    return _passes(num_images, num_people, images_per_person) * steps * people_per_batch * images_per_person


def _passes(num_images: int, num_people: int, images_per_person: int) -> int:
    return max(1, round(num_images / (num_people * images_per_person)))
