"""Files of verification pairs: LFW's `pairs.txt`, or lines of two images.

Shape letters: N images.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from faceml.config import ConfigError
from faceml.datasets.verification_pairs import FOLDS, VerificationPairs
from faceml.errors import translate_errors

KINDS = {True: "one person", False: "two people"}
NAMED_KINDS = {True: "one person ('name i j')", False: "two people ('name i other j')"}
_Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.int64]]
"""Positions of the images of each pair, whether it is genuine, and its fold."""


class _Line(NamedTuple):
    """Person and number of both images of a line, and whether it has the columns of a genuine pair."""

    images: tuple[tuple[str, int], tuple[str, int]]
    same: bool


def read_pairs(
    file: Path,
    image_ids: Sequence[str],
    undetected: npt.NDArray[np.bool_] | None = None,
    *,
    folders: Sequence[str] | None = None,
    count_as_wrong: bool = False,
    setting: str = "data.pairs.file",
) -> VerificationPairs:
    """Read pairs in the format of LFW's `pairs.txt` (view 2), or of lines `image1 image2 1`.

    The first line of LFW's format has the number of folds and the number n of genuine pairs of a fold. For
    each fold n lines `name 1 4` of genuine pairs follow, then n lines `name 1 other 2` of impostor pairs.
    Numbers are the last part of the names of image files, `name/name_0001.jpg`.

    The other format has no such line. Each line has the names of two images and 1 for a genuine, 0 for an
    impostor pair. The ten folds are consecutive parts of the file, whose sizes differ by one line at most.

    Columns of both are separated by tabs, or by spaces if names have none.

    Args:
        file: Text file of pairs, in UTF-8.
        image_ids: Names of the data set's images.
        undetected: Whether an image has no landmarks, bool of shape (N,); by default all have them.
        folders: Folder of each image, which is the person; by default the first part of its name.
        count_as_wrong: Count pairs with such an image as misclassified, whatever their score.
        setting: Setting that names the file, for errors.

    Raises:
        ConfigError: The file has another format, or names an image that the data set lacks; gives the line.
    """
    text = file.read_text(encoding="utf-8-sig", errors="replace").rstrip()
    lines = re.split(r"\r\n|\r|\n", text)
    with translate_errors(ConfigError, lambda error: ConfigError(f"{setting}: {error}"), keep_cause=False):
        if _read_pair_of_images(lines[0]) is not None:
            images, same, in_folds = _pairs_of_images(lines, image_ids, file)
        else:
            people = [name.partition("/")[0] for name in image_ids] if folders is None else folders
            images, same, in_folds = _pairs_of_people(lines, image_ids, people, file)
    is_undetected = np.zeros(len(image_ids), bool) if undetected is None else undetected
    return VerificationPairs(
        images=images,
        same=same,
        folds=in_folds,
        counted_wrong=np.any(is_undetected[images], axis=1) & np.full(len(images), count_as_wrong),
    )


def _pairs_of_images(lines: Sequence[str], image_ids: Sequence[str], file: Path) -> _Pairs:
    """Return the pairs of a file with two names of images in each line."""
    if len(lines) < FOLDS:
        raise _mistake(file, len(lines), f"the file has {len(lines)} pairs, and {FOLDS} folds need {FOLDS}")
    read = [_read_pair_of_images(line) for line in lines]
    named = {name for pair in read if pair for name in pair[:2]}
    positions = {image: position for position, image in enumerate(image_ids) if image in named}
    images, same = list[tuple[int, int]](), list[bool]()
    for number, (line, pair) in enumerate(zip(lines, read, strict=True), start=1):
        if pair is None:
            raise _mistake(file, number, f"{line!r} is neither 'image1 image2 1' nor 'image1 image2 0'")
        first, second, is_same = pair
        for name in (first, second):
            if name not in positions:
                raise _mistake(
                    file,
                    number,
                    f"the split has no image {name} that could be decoded. Extract it, or remove the pair",
                )
        if first == second:
            raise _mistake(file, number, f"compares {first} with itself")
        images.append((positions[first], positions[second]))
        same.append(is_same)
    if len(set(same)) == 1:
        raise _mistake(file, len(lines), f"all pairs are of {KINDS[same[0]]}. Both kinds are needed")
    folds = np.array_split(np.arange(len(lines)), FOLDS)
    return np.array(images), np.array(same), np.repeat(np.arange(FOLDS), [len(fold) for fold in folds])


def _read_pair_of_images(line: str) -> tuple[str, str, bool] | None:
    """Return the images of a line `image1 image2 1` and if they show one person; None for another line."""
    by_tabs = [word.strip() for word in line.strip().split("\t")]
    words = by_tabs if len(by_tabs) == 3 else line.split()
    return (words[0], words[1], words[2] == "1") if len(words) == 3 and words[2] in ("0", "1") else None


def _pairs_of_people(
    lines: Sequence[str], image_ids: Sequence[str], people: Sequence[str], file: Path
) -> _Pairs:
    """Return the pairs of a file in LFW's format."""
    first, *rest = lines
    folds, of_each = _read_header(first, file)
    read = [_read_line(line, number, file) for number, line in enumerate(rest, start=2)]
    expected = 2 * folds * of_each
    if len(read) != expected:
        raise _mistake(
            file,
            1,
            f"{first.strip()!r} announces {folds} folds of {of_each} pairs of one person and {of_each} of "
            f"two people, which are {expected} lines, but {len(read)} follow. Correct the numbers or "
            "the pairs",
        )
    positions: dict[tuple[str, int], list[int]] = {}
    named = {key for line in read for key in line.images}
    for position, (image_id, person) in enumerate(zip(image_ids, people, strict=True)):
        key = (person, _number(image_id))
        if key in named:
            positions.setdefault(key, []).append(position)
    images = list[list[int]]()
    for place, line in enumerate(read):
        number, wanted = place + 2, place % (2 * of_each) < of_each
        if line.same != wanted:
            raise _mistake(
                file,
                number,
                f"is a pair of {NAMED_KINDS[line.same]} where one of {NAMED_KINDS[wanted]} is expected: each "
                f"fold has {of_each} lines of one person, then {of_each} of two",
            )
        images.append([_find(key, positions, image_ids, file, number) for key in line.images])
    same = np.array([line.same for line in read])
    return np.array(images, dtype=np.int64), same, np.repeat(np.arange(folds), 2 * of_each)


def _read_header(line: str, file: Path) -> tuple[int, int]:
    """Return the number of folds, and the number of pairs of one person in each."""
    words = line.split()
    if len(words) not in (1, 2) or not all(map(_is_number, words)) or min(map(int, words)) < 1:
        raise _mistake(
            file,
            1,
            f"{line.strip()!r} is not 'folds<TAB>pairs of one person per fold', as in LFW's pairs.txt, nor "
            "'image1 image2 1' or 'image1 image2 0'. The file must be UTF-8 text",
        )
    folds, of_each = map(int, words if len(words) == 2 else ["1", *words])
    if folds < 2:
        raise _mistake(
            file,
            1,
            "the file has one fold. The threshold of a fold is chosen on the others: two folds are needed",
        )
    return folds, of_each


def _read_line(line: str, number: int, file: Path) -> _Line:
    by_tabs = [word.strip() for word in line.strip().split("\t")]
    words = by_tabs if len(by_tabs) in KINDS_BY_COLUMNS else line.split()
    same = KINDS_BY_COLUMNS.get(len(words))
    if same is None or not (_is_number(words[1]) and _is_number(words[-1])):
        raise _mistake(file, number, f"{line!r} is neither 'name i j' nor 'name i other j'")
    first, second = (words[0], int(words[1])), (words[0 if same else 2], int(words[-1]))
    if not same and first[0] == second[0]:
        raise _mistake(file, number, f"names {first[0]} twice. Write a pair of one person as 'name i j'")
    if first == second:
        raise _mistake(file, number, f"compares image {first[1]} of {first[0]} with itself")
    return _Line((first, second), same)


KINDS_BY_COLUMNS = {3: True, 4: False}


def _find(
    key: tuple[str, int],
    positions: dict[tuple[str, int], list[int]],
    image_ids: Sequence[str],
    file: Path,
    number: int,
) -> int:
    """Return the position of an image in the data set."""
    name, image = key
    found = positions.get(key, [])
    if not found:
        raise _mistake(
            file,
            number,
            f"the split has no image {image} of {name} that could be decoded. Extract the file's folder",
        )
    if len(found) > 1:
        both = " and ".join(image_ids[position] for position in found[:2])
        raise _mistake(file, number, f"image {image} of {name} may be {both}. Remove one of them")
    return found[0]


def _mistake(file: Path, number: int, text: str) -> ConfigError:
    return ConfigError(f"{file}, line {number}: {text}.")


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdecimal()


def _number(image_id: str) -> int:
    """Return the number of an image, 4 for `name/name_0004.jpg`; -1 without a number."""
    digits = image_id.rpartition("/")[2].rpartition(".")[0].rpartition("_")[2]
    return int(digits) if _is_number(digits) else -1
