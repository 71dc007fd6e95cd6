"""Interface of the formats that data sets are shipped in."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

SPLIT = "split"
"""Column of the label table with the split of an image: `train`, `val` or `test`."""


@dataclass(frozen=True)
class ImportedImage:
    """An image of a data set with its labels.

    Attributes:
        image_id: POSIX path below the folder of images.
        labels: Values by column of the label table; a column without a value is null.
        encode: Returns the encoded image of a packed set; valid until the next record is read. None for an
            image that is a file already.
    """

    image_id: str
    labels: Mapping[str, Any] = field(default_factory=dict)
    encode: Callable[[], bytes] | None = None


@dataclass(frozen=True)
class BrokenRecord:
    """A record of a data set that is left out.

    Attributes:
        name: Name of the record, such as `training.csv, line 7`.
        reason: Reason in words that are the same for all records of its kind, such as `no such image`.
    """

    name: str
    reason: str


class DataFormat(ABC):
    """A data set on this machine, in its original layout.

    Args:
        source: The folder or file that was downloaded.

    Raises:
        ConfigError: A file of the data set is missing or is no such file.
    """

    name: ClassVar[str]
    """Name in `faceml import NAME`."""
    description: ClassVar[str]
    """Data set and its files in a few words, for help texts."""
    label_columns: ClassVar[Mapping[str, pa.DataType]] = {}
    """Columns of the label table besides `image_id`; empty if the set has no labels besides its folders."""
    splits: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "train": {SPLIT: "train"},
        "val": {SPLIT: "val"},
    }
    """Rows of the training and the validation split, as `where` in `data.train` and `data.val`."""
    image_folders: ClassVar[tuple[str, ...]] = ()
    """Folders below that of the images which are sources of one table, each with its own people; empty if the
    folder of the images is extracted as a whole."""

    @abstractmethod
    def __init__(self, source: Path) -> None: ...

    @classmethod
    @abstractmethod
    def recognises(cls, source: Path) -> bool:
        """Return whether a folder or file looks like this format, from a few names in it."""

    @property
    @abstractmethod
    def files(self) -> tuple[Path, ...]:
        """The files with labels or packed images, whose sizes and times tell whether the source changed."""

    @property
    def images(self) -> Path | None:
        """Folder of the images; None for a packed set, whose images the import writes."""
        return None

    @abstractmethod
    def count_records(self) -> int:
        """Return the number of records, for the progress."""

    @abstractmethod
    def records(self) -> Iterator[ImportedImage | BrokenRecord]:
        """Read all records in their order, in constant memory."""

    @abstractmethod
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Return settings of a first training by command, `train` or `transfer`, in plain values.

        Tables, images, labels and the folder of the run are added by `write_next_jobs`.
        """

    def texts(self) -> Mapping[str, str]:
        """Return further files of the import by name, such as lists of pairs, once all records are read."""
        return {}

    def advice(self, output: Path) -> Sequence[str]:
        """Return lines that are printed after the next commands.

        Args:
            output: Folder of the import.
        """
        return ()


def expression_training(
    target: str | Sequence[str], classes: str | Sequence[str], **sections: Any
) -> dict[str, dict[str, Any]]:
    """Return the settings of a first training of expression and landmarks, for `DataFormat.settings`.

    Args:
        target: Column of the expression, or columns of the annotators' votes.
        classes: Classes in the order of the columns, or as in `tasks`.
        sections: Further sections of the configuration.
    """
    expression = {"kind": "classification", "target": target, "classes": classes}
    tasks = {"expression": expression, "landmarks": {"kind": "landmarks", "points": 5}}
    return {"train": {**sections, "tasks": tasks}}


SUFFIXES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG\r\n\x1a\n": ".png"}
"""Suffix of the name of an image file by its first bytes."""


def image_suffix(content: bytes) -> str | None:
    """Return the suffix for an encoded image by its first bytes, `.jpg` or `.png`; None for anything else."""
    return next((suffix for start, suffix in SUFFIXES.items() if content.startswith(start)), None)
