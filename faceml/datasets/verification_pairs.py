"""Pairs of images for face verification, read from a file in LFW's format or drawn at random.

Shape letters: N pairs.
"""

from collections.abc import Sequence
from pathlib import Path
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
    """

    images: npt.NDArray[np.int64]
    same: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int64]


def draw_pairs(
    people: Sequence[int], num_pairs: int, seed: int = 0, table_key: str = "data.val.table"
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
    several = [
        person for person, count in zip(*np.unique(labels, return_counts=True), strict=True) if count > 1
    ]
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
        of_person = [rng.permutation(np.flatnonzero(labels == person)) for person in members]
        of_one, of_two = _pairs_of_one(of_person, wanted, rng), _pairs_of_two(of_person, wanted, rng)
        number = min(len(of_one), len(of_two))
        images += [*of_one[:number], *of_two[:number]]
        same += [True] * number + [False] * number
        folds += [fold] * 2 * number
    return VerificationPairs(np.array(images), np.array(same), np.array(folds, dtype=np.int64))


def _pairs_of_one(
    of_person: list[npt.NDArray[np.int64]], wanted: int, rng: np.random.Generator
) -> list[npt.NDArray[np.int64]]:
    """Draw genuine pairs from one person after another, until there are enough or none is left."""
    left = []
    for images in of_person:
        first, second = np.triu_indices(len(images), k=1)
        left.append(rng.permutation(np.column_stack([images[first], images[second]])))
    rounds = range(max(len(pairs) for pairs in left))
    return [pairs[number] for number in rounds for pairs in left if number < len(pairs)][:wanted]


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


def read_pairs(file: Path, image_ids: Sequence[str]) -> VerificationPairs:
    """Read pairs in the format of LFW's `pairs.txt`.

    The first line has the number of folds and the number of genuine pairs per fold, which is also that of
    impostor pairs. `name 1 4` is a genuine pair, `name 1 other 2` an impostor pair; numbers are the last part
    of the names of image files, `name/name_0001.jpg`. Columns are separated by tabs.

    Args:
        file: Text file of pairs.
        image_ids: Names of the data set's images, `{person}/{image}`.

    Raises:
        ConfigError: The file has another format, or names an image that the data set lacks; gives the line.
    """
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    header = [int(word) for word in lines[0].split() if word.isdecimal()] if lines else []
    if len(header) != 2 or min(header) < 1 or len(lines) - 1 < 2 * header[0] * header[1]:
        raise ConfigError(
            f"data.pairs.file: {file} is not in the format of LFW's pairs.txt: its first line must be "
            "'folds<TAB>genuine pairs per fold', and a line for each pair must follow."
        )
    if header[0] < 2:
        raise ConfigError(
            f"data.pairs.file: {file} has one fold; the threshold of a fold is chosen on the others, which "
            "needs at least two folds."
        )
    num_folds, of_each = header
    numbered = {_numbered(image_id): position for position, image_id in enumerate(image_ids)}
    images, same = list[tuple[int, int]](), list[bool]()
    for number, line in enumerate(lines[1 : 1 + 2 * num_folds * of_each], start=2):
        words = line.split("\t")
        if len(words) not in (3, 4) or not (words[1] + words[-1]).isdecimal():
            raise ConfigError(
                f"data.pairs.file: {file}, line {number}: {line!r} is neither 'name i j' nor "
                "'name i other j'."
            )
        named = [(words[0], int(words[1])), (words[-2] if len(words) == 4 else words[0], int(words[-1]))]
        missing = [key for key in named if key not in numbered]
        if missing:
            raise ConfigError(
                f"data.pairs.file: {file}, line {number}: data.val has no image {missing[0][1]} of "
                f"{missing[0][0]} in which a face was found. Leave such pairs out of the file."
            )
        images.append((numbered[named[0]], numbered[named[1]]))
        same.append(len(words) == 3)
    folds = np.repeat(np.arange(num_folds), 2 * of_each)
    return VerificationPairs(np.array(images), np.array(same), folds)


def _numbered(image_id: str) -> tuple[str, int]:
    """Return person and number of an image, name and 4 for `name/name_0004.jpg`; -1 without a number."""
    person, _, path = image_id.partition("/")
    name = path.rpartition("/")[2]
    digits = name.rpartition(".")[0].rpartition("_")[2]
    return person, int(digits) if digits.isdecimal() else -1
