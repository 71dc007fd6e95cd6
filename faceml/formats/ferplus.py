"""FER+ (Barsoum et al. 2016, https://arxiv.org/abs/1608.01041): FER2013 with the votes of ten annotators."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa

from faceml.config import ConfigError
from faceml.formats.csv_rows import count_rows, read_rows
from faceml.formats.data_format import SPLIT, BrokenRecord, DataFormat, ImportedImage, expression_training
from faceml.formats.fer2013 import COLUMNS, FILE_NAMES, SPLITS, packed_image
from faceml.formats.source_files import find_file, find_image

VOTES_FILE = "fer2013new.csv"
EXPRESSIONS = {
    "neutral": "neutral",
    "happiness": "happy",
    "surprise": "surprise",
    "sadness": "sad",
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "contempt": "contempt",
}
"""AffectNet's name of each expression, in the order of the file's columns."""
NO_EXPRESSION = ("unknown", "nf")
"""Votes for an unknown expression, and for an image that is no face."""
VOTES = tuple(f"votes_{name}" for name in EXPRESSIONS.values())
MOST_VOTES = 127
"""Most votes for an expression: the columns are int8."""
FOLDERS = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}
"""Folders that the authors' script writes the images to."""


class FerPlus(DataFormat):
    """FER+: votes of ten annotators, with the pixels of FER2013 or the images of the authors' script.

    As in the authors' program, single votes are dropped as outliers. `expression` is the expression with more
    than half of the remaining votes. `votes_neutral` and so on are the remaining votes, for distribution
    targets, where the eight expressions have more than half of them. Both are null elsewhere. The program
    also drops less frequent votes from distributions; here all remain.
    """

    name = "ferplus"
    description = "FER+: fer2013new.csv with votes, beside fer2013.csv or the folder FER2013Train"
    label_columns = {SPLIT: pa.string(), "expression": pa.string(), **dict.fromkeys(VOTES, pa.int8())}

    def __init__(self, source: Path) -> None:
        self._votes = find_file(source, (VOTES_FILE,), "FER+")
        folder = self._votes.parent
        folders = (folder, folder / "data")
        self._images = next((path for path in folders if (path / FOLDERS["Training"]).is_dir()), None)
        self._pixels = find_file(folder, FILE_NAMES, "FER2013") if self._images is None else None

    @classmethod
    def recognises(cls, source: Path) -> bool:
        """Return whether there is the file of votes."""
        return source.name == VOTES_FILE or (source / VOTES_FILE).is_file()

    @property
    def files(self) -> tuple[Path, ...]:
        """The file of votes, and that of the pixels."""
        return (self._votes, *([self._pixels] if self._pixels else []))

    @property
    def images(self) -> Path | None:
        """Folder of the images, None if they are packed in `fer2013.csv`."""
        return self._images

    def count_records(self) -> int:
        """Return the number of rows."""
        return count_rows(self._votes, "usage")

    def records(self) -> Iterator[ImportedImage | BrokenRecord]:
        """Read the images with their votes; rows without a name are images that FER+ removed."""
        votes = read_rows(self._votes, ("usage", "image name", *EXPRESSIONS, *NO_EXPRESSION))
        if self._pixels is None:
            for row in votes:
                yield row if isinstance(row, BrokenRecord) else self._labelled(row, None)
            return
        for row, pixels in zip_longest(votes, read_rows(self._pixels, COLUMNS)):
            if row is None or pixels is None:
                raise ConfigError(
                    f"{self._pixels}: has not as many rows as {self._votes}. Both files belong together, "
                    "row by row; take those of the original archives."
                )
            if isinstance(row, BrokenRecord):
                yield row
            elif not isinstance(pixels, BrokenRecord) and pixels["usage"] != row["usage"]:
                raise ConfigError(
                    f"{self._pixels}: {pixels['row']} is of {pixels['usage']}, in {self._votes} of "
                    f"{row['usage']}. Both files belong together, row by row; take those of the original "
                    "archives."
                )
            else:
                yield pixels if isinstance(pixels, BrokenRecord) else self._labelled(row, pixels)

    def _labelled(
        self, row: Mapping[str, str], pixels: Mapping[str, str] | None
    ) -> ImportedImage | BrokenRecord:
        name = row["image name"]
        if not name:
            return BrokenRecord(row["row"], "removed by FER+, without a name")
        numbers = [row[column] for column in (*EXPRESSIONS, *NO_EXPRESSION)]
        if not all(number.isdecimal() and int(number) <= MOST_VOTES for number in numbers):
            return BrokenRecord(row["row"], f"the votes are no numbers up to {MOST_VOTES}")
        labels = label_votes([int(number) for number in numbers])
        if pixels is not None:
            return packed_image(pixels, name, labels)
        split, folder = SPLITS.get(row["usage"]), FOLDERS.get(row["usage"])
        if split is None:
            return BrokenRecord(row["row"], f"the usage is none of {', '.join(SPLITS)}")
        path = None if self._images is None else find_image(self._images, f"{folder}/{name}")
        if path is None:
            return BrokenRecord(row["row"], "no such image")
        return ImportedImage(path, {SPLIT: split, **labels})

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the settings of a training of landmarks and expression, by the distribution of the votes."""
        return expression_training(list(VOTES), list(EXPRESSIONS.values()), data={"image_size": 64})


def label_votes(votes: list[int]) -> dict[str, Any]:
    """Return the labels for the votes of an image.

    Args:
        votes: Votes for the eight expressions, for unknown and for no face.
    """
    kept = [number if number > 1 else 0 for number in votes]
    of_expressions = kept[: len(EXPRESSIONS)]
    labels: dict[str, Any] = {}
    if 2 * max(kept) > sum(kept) and max(of_expressions) == max(kept):
        labels["expression"] = list(EXPRESSIONS.values())[kept.index(max(kept))]
    if 2 * sum(of_expressions) > sum(kept):
        labels |= dict(zip(VOTES, of_expressions, strict=True))
    return labels
