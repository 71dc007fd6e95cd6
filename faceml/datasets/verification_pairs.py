"""Pairs of photographs to verify on: read from a file in the format of LFW, or drawn.

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
    """Pairs of images of a set.

    Attributes:
        images: int64 of shape (N, 2), positions in the set.
        same: bool of shape (N,), whether a pair shows one person.
        folds: int64 of shape (N,), from 0.
    """

    images: npt.NDArray[np.int64]
    same: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int64]


def draw_pairs(
    people: Sequence[int], num_pairs: int, seed: int = 0, table_key: str = "data.val.table"
) -> VerificationPairs:
    """Draw pairs, as many of one person as of two, in folds that share nobody.

    People are dealt to ten folds, fewer where there are less than twenty people. Each fold has, as far as
    its images allow, the same number of pairs; none comes twice. Pairs of one person are drawn evenly over
    people, so that those with many images do not outweigh the others.

    Args:
        people: Of each image of the set.
        num_pairs: In all folds together, at most.
        seed: Of the draw.
        table_key: The setting that names the set, for the error.

    Raises:
        ConfigError: There are fewer than four people of two images or more.
    """
    rng = np.random.default_rng(seed)
    labels = np.asarray(people, dtype=np.int64)
    several = [
        person for person, count in zip(*np.unique(labels, return_counts=True), strict=True) if count > 1
    ]
    num_folds = min(FOLDS, len(several) // 2)
    if num_folds < 2:
        raise ConfigError(
            f"{table_key}: {len(several)} people with two images or more, and pairs in folds that share "
            "nobody take four."
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
    """Draw pairs within people, going round them, until there are enough or none is left."""
    left = []
    for images in of_person:
        first, second = np.triu_indices(len(images), k=1)
        left.append(rng.permutation(np.column_stack([images[first], images[second]])))
    rounds = range(max(len(pairs) for pairs in left))
    return [pairs[number] for number in rounds for pairs in left if number < len(pairs)][:wanted]


def _pairs_of_two(
    of_person: list[npt.NDArray[np.int64]], wanted: int, rng: np.random.Generator
) -> list[npt.NDArray[np.int64]]:
    """Draw pairs of images of two people, each at most once."""
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
"""After so many, a fold has fewer pairs of two people than are wanted."""


def read_pairs(file: Path, image_ids: Sequence[str]) -> VerificationPairs:
    """Read pairs in the format of LFW's `pairs.txt`.

    The first line has the number of folds and how many pairs of one person, and as many of two, each has.
    `name 1 4` is a pair of one person, `name 1 other 2` one of two; numbers are those that end the names of
    image files, `name/name_0001.jpg`. Columns are parted by tabs.

    Args:
        file: Of pairs.
        image_ids: Of the set, `{person}/{image}`.

    Raises:
        ConfigError: The file is not of that format, or names an image that the set lacks; says which line.
    """
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    header = [int(word) for word in lines[0].split() if word.isdecimal()] if lines else []
    if len(header) != 2 or min(header) < 1 or len(lines) - 1 < 2 * header[0] * header[1]:
        raise ConfigError(
            f"data.pairs.file: {file} is no file of pairs; its first line has to be 'folds<TAB>pairs of one "
            "person', and as many lines have to follow."
        )
    if header[0] < 2:
        raise ConfigError(
            f"data.pairs.file: {file} has one fold; the threshold of each is chosen on the others, so that "
            "there have to be two or more."
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
    """Return person and number of an image, `name/name_0004.jpg` being the fourth of name; -1 without one."""
    person, _, path = image_id.partition("/")
    name = path.rpartition("/")[2]
    digits = name.rpartition(".")[0].rpartition("_")[2]
    return person, int(digits) if digits.isdecimal() else -1
