"""RAF-DB, basic expressions (Li et al. 2017): photos or aligned faces, and a list of their expressions."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from faceml.config import IMAGE_EXTENSIONS, ConfigError
from faceml.formats.csv_rows import count_rows, read_rows
from faceml.formats.data_format import SPLIT, BrokenRecord, DataFormat, ImportedImage, expression_training
from faceml.formats.source_files import find_image
from faceml.storage import StorageFolder

EXPRESSIONS = dict(
    zip("1234567", ("surprise", "fear", "disgust", "happy", "sad", "anger", "neutral"), strict=True)
)
"""RAF-DB's expressions by their numbers, by AffectNet's names."""
LIST = "EmoLabel/list_patition_label.txt"
"""The list of `train_00001.jpg 5` and so on, with the authors' spelling of its name."""
COLUMNS = ("image", "expression")
ALIGNED, ORIGINAL = "Image/aligned", "Image/original"
BY_LABEL = "DATASET"
"""Folder of an archive of Kaggle with the aligned faces as `train/5/train_00001_aligned.jpg`."""
SPLITS = ("train", "test")
FOLDERS = ("EmoLabel", "Image", "aligned", "original", *SPLITS)
"""Folders of the data set that may be named in place of its own."""


class RafDb(DataFormat):
    """RAF-DB: 12,271 training and 3,068 test faces with seven expressions; validation is on the test split.

    Aligned faces are preferred to photos, which may have other people too.
    """

    name = "raf-db"
    description = "RAF-DB: basic/EmoLabel/list_patition_label.txt and basic/Image, or DATASET/train/1"
    label_columns = {SPLIT: pa.string(), "expression": pa.string()}
    splits = {"train": {SPLIT: "train"}, "val": {SPLIT: "test"}}

    def __init__(self, source: Path) -> None:
        root = _find(source)
        if root is None:
            raise ConfigError(
                f"{source}: has neither {LIST} nor the folder {BY_LABEL} of RAF-DB. Name the folder that has."
            )
        self._list = root / LIST if root.name != BY_LABEL else None
        folders = [root / name for name in ((ALIGNED, ORIGINAL) if self._list else ("",))]
        found = [folder for folder in folders if folder.is_dir()]
        if not found:
            raise ConfigError(
                f"{root}: has a list but no images. Unpack the archive of {ALIGNED} there, or of {ORIGINAL}."
            )
        self._images = found[0]

    @classmethod
    def recognises(cls, source: Path) -> bool:
        """Return whether there is the list or the folder of expressions, in or around a folder."""
        return _find(source) is not None

    @property
    def files(self) -> tuple[Path, ...]:
        """The list, or the folders of the expressions."""
        if self._list is not None:
            return (self._list,)
        folders = [self._images / split / label for split in SPLITS for label in EXPRESSIONS]
        return tuple(folder for folder in folders if folder.is_dir())

    @property
    def images(self) -> Path:
        """Folder of the aligned faces or of the photos."""
        return self._images

    def count_records(self) -> int:
        """Return the number of rows of the list, or of files."""
        if self._list is not None:
            return count_rows(self._list, COLUMNS[0])
        return sum(1 for _ in StorageFolder(self._images).walk())

    def records(self) -> Iterator[ImportedImage | BrokenRecord]:
        """Read the list, or the names of the files."""
        if self._list is not None:
            for row in read_rows(self._list, COLUMNS, header=COLUMNS, delimiter=" "):
                yield row if isinstance(row, BrokenRecord) else self._listed(row)
            return
        for file in StorageFolder(self._images).walk():
            if PurePosixPath(file.path).suffix.lower() in IMAGE_EXTENSIONS:
                split, _, rest = file.path.partition("/")
                yield _labelled(file.path, file.path, split, rest.partition("/")[0])

    def _listed(self, row: Mapping[str, str]) -> ImportedImage | BrokenRecord:
        name = row["image"]
        stem, dot, extension = name.rpartition(".")
        spellings = (f"{stem}_aligned{dot}{extension}", name)
        path = next(filter(None, (find_image(self._images, spelling) for spelling in spellings)), None)
        if path is None:
            return BrokenRecord(row["row"], "no such image")
        return _labelled(row["row"], path, name.partition("_")[0], row["expression"])

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the settings of a training of expression and landmarks."""
        return expression_training("expression", sorted(EXPRESSIONS.values()))


def _find(source: Path) -> Path | None:
    """Return the folder with the list, or that of the expressions' folders, in or around a folder."""
    folder = source if source.is_dir() else source.parent
    for root in (folder, folder / "basic"):
        if (root / LIST).is_file():
            return root
    by_label = folder if folder.name == BY_LABEL else folder / BY_LABEL
    if (by_label / "train/7").is_dir() and (by_label / "test/7").is_dir():
        return by_label
    return _find(folder.parent) if folder.name in FOLDERS else None


def _labelled(record: str, path: str, split: str, number: str) -> ImportedImage | BrokenRecord:
    if split not in SPLITS:
        return BrokenRecord(record, f"the name does not begin with {' or '.join(SPLITS)}")
    if number not in EXPRESSIONS:
        return BrokenRecord(record, "the expression is no number from 1 to 7")
    return ImportedImage(path, {SPLIT: split, "expression": EXPRESSIONS[number]})
