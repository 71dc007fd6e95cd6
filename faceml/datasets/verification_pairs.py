"""Pairs of images for face verification, and their drawing at random.

Shape letters: N pairs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from faceml.config import ConfigError

FOLDS = 10


class VerificationPairs(NamedTuple):
    """Pairs of images of a data set.

    Attributes:
        images: Positions in the data set, int64 of shape (N, 2).
        same: True for genuine pairs, bool of shape (N,).
        folds: Fold of each pair, from 0, int64 of shape (N,).
        counted_wrong: True for pairs that count as misclassified whatever their score, bool of shape (N,).
    """

    images: npt.NDArray[np.int64]
    same: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int64]
    counted_wrong: npt.NDArray[np.bool_]


def draw_pairs(
    people: Sequence[int] | npt.NDArray[np.integer],
    num_pairs: int,
    seed: int = 0,
    table_key: str = "data.val.table",
) -> VerificationPairs:
    """Draw as many genuine as impostor pairs, in folds without people in common.

    People are divided into ten folds, or fewer with less than twenty people. All folds have the same number
    of pairs as far as their images allow, and no pair is drawn twice. Genuine pairs are drawn evenly over
    people, so that people with many images do not dominate.

    Args:
        people: Person of each image of the data set.
        num_pairs: Largest number of pairs in all folds together.
        seed: Seed of the draw.
        table_key: The setting that names the data set, for the error.

    Raises:
        ConfigError: Fewer than four people have two images or more.
    """
    rng = np.random.default_rng(seed)
    labels = np.asarray(people, dtype=np.int64)
    persons, counts = np.unique(labels, return_counts=True)
    by_person, ends = np.argsort(labels, kind="stable"), np.cumsum(counts)
    several = persons[counts > 1]
    num_folds = min(FOLDS, len(several) // 2)
    if num_folds < 2:
        raise ConfigError(
            f"{table_key}: {len(several)} people have two images or more; two folds without people in common "
            "need four. Add images."
        )
    dealt = np.array_split(rng.permutation(several), num_folds)
    wanted = max(1, num_pairs // (2 * num_folds))
    images, same, folds = list[npt.NDArray[np.int64]](), list[bool](), list[int]()
    for fold, members in enumerate(dealt):
        places = np.searchsorted(persons, members)
        of_person = [rng.permutation(by_person[ends[at] - counts[at] : ends[at]]) for at in places]
        of_one, of_two = _pairs_of_one(of_person, wanted, rng), _pairs_of_two(of_person, wanted, rng)
        number = min(len(of_one), len(of_two))
        images += [*of_one[:number], *of_two[:number]]
        same += [True] * number + [False] * number
        folds += [fold] * 2 * number
    return VerificationPairs(
        np.array(images), np.array(same), np.array(folds, dtype=np.int64), np.zeros(len(same), bool)
    )


def _pairs_of_one(
    of_person: list[npt.NDArray[np.int64]], wanted: int, rng: np.random.Generator
) -> list[npt.NDArray[np.int64]]:
    """Draw genuine pairs from one person after another, until there are enough or none is left."""
    of_each = np.array([len(images) * (len(images) - 1) // 2 for images in of_person])
    rounds = next(
        (number for number in range(1, wanted) if np.minimum(of_each, number).sum() >= wanted), wanted
    )
    left = []
    for images in of_person:
        first, second = np.triu_indices(len(images), k=1)
        order = rng.permutation(np.column_stack([images[first], images[second]]))
        left.append(order[:rounds].copy())  # the others would take memory quadratic in the images
    return [pairs[number] for number in range(rounds) for pairs in left if number < len(pairs)][:wanted]


def _pairs_of_two(
    of_person: list[npt.NDArray[np.int64]], wanted: int, rng: np.random.Generator
) -> list[npt.NDArray[np.int64]]:
    """Draw impostor pairs, each at most once."""
    person = np.repeat(np.arange(len(of_person)), [len(images) for images in of_person])
    images = np.concatenate(of_person)
    drawn = dict[tuple[int, int], None]()
    for _ in range(DRAWS_PER_PAIR * wanted):
        a, b = sorted(rng.choice(len(images), size=2, replace=False).tolist())
        if person[a] != person[b]:
            drawn.setdefault((a, b))
        if len(drawn) == wanted:
            break
    return [images[[a, b]] for a, b in drawn]


DRAWS_PER_PAIR = 20
"""Draws per wanted impostor pair, after which a fold gets fewer pairs."""
