"""FER2013 (Goodfellow et al. 2013): a CSV file with pixels, expressions and splits."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from faceml.formats.csv_rows import count_rows, read_rows
from faceml.formats.data_format import SPLIT, BrokenRecord, DataFormat, ImportedImage, expression_training
from faceml.formats.source_files import find_file

SIDE_PX = 48
EXPRESSIONS = ("anger", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""FER2013's expressions 0 to 6, by AffectNet's names."""
SPLITS = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
FILE_NAMES = ("fer2013.csv", "icml_face_data.csv")
"""Names of the file in the archives of Kaggle; the header of the second has blanks."""
COLUMNS = ("emotion", "pixels", "usage")


class Fer2013(DataFormat):
    """FER2013: 35,887 gray faces of 48 × 48 pixels with seven expressions, as text in one CSV file.

    The images become `train/fer0000000.png` and so on, numbered by row as in FER+.
    """

    name = "fer2013"
    description = "FER2013: fer2013.csv with pixels and seven expressions"
    label_columns = {SPLIT: pa.string(), "expression": pa.string()}

    def __init__(self, source: Path) -> None:
        self._file = find_file(source, FILE_NAMES, "FER2013")

    @classmethod
    def recognises(cls, source: Path) -> bool:
        """Return whether there is the file of FER2013."""
        return source.name in FILE_NAMES or any((source / name).is_file() for name in FILE_NAMES)

    @property
    def files(self) -> tuple[Path, ...]:
        """The CSV file."""
        return (self._file,)

    def count_records(self) -> int:
        """Return the number of rows."""
        return count_rows(self._file, COLUMNS[0])

    def records(self) -> Iterator[ImportedImage | BrokenRecord]:
        """Read the images with their expressions."""
        for number, row in enumerate(read_rows(self._file, COLUMNS)):
            if isinstance(row, BrokenRecord):
                yield row
            elif row["emotion"] not in map(str, range(len(EXPRESSIONS))):
                yield BrokenRecord(
                    row["row"], f"the expression is no number from 0 to {len(EXPRESSIONS) - 1}"
                )
            else:
                expression = EXPRESSIONS[int(row["emotion"])]
                yield packed_image(row, f"fer{number:07d}.png", {"expression": expression})

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the settings of a training of expression and landmarks."""
        return expression_training("expression", sorted(EXPRESSIONS), data={"image_size": 64})


def packed_image(
    row: Mapping[str, str], name: str, labels: Mapping[str, Any]
) -> ImportedImage | BrokenRecord:
    """Return the image of a row, or the reason why it has none.

    Args:
        row: Row of the file, with the columns `usage` and `pixels`.
        name: Name of the image file.
        labels: Labels of the image besides its split.
    """
    split = SPLITS.get(row["usage"])
    if split is None:
        return BrokenRecord(row["row"], f"the usage is none of {', '.join(SPLITS)}")
    pixels = read_pixels(row["pixels"])
    if pixels is None:
        return BrokenRecord(row["row"], f"the pixels are not {SIDE_PX} × {SIDE_PX} numbers from 0 to 255")
    return ImportedImage(f"{split}/{name}", {SPLIT: split, **labels}, partial(encode_png, pixels))


def read_pixels(text: str) -> npt.NDArray[np.uint8] | None:
    """Return the pixels in a text of numbers, uint8 of shape (48, 48); None if the text is damaged."""
    if not text.replace(" ", "").isdecimal() or not text.isascii():
        return None
    values = np.fromstring(text, dtype=np.int64, sep=" ")
    if values.size != SIDE_PX**2 or values.max() > np.iinfo(np.uint8).max:
        return None
    return values.astype(np.uint8).reshape(SIDE_PX, SIDE_PX)


def encode_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return a PNG file of gray pixels, uint8 of shape (H, W)."""
    _, encoded = cv2.imencode(".png", pixels)
    return encoded.tobytes()
