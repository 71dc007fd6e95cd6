"""AffectNet in its present layout: numbered images, and a file of NumPy for each of their annotations."""

from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from faceml.config import ConfigError
from faceml.errors import catch_errors
from faceml.formats.affect_labels import AFFECT_COLUMNS, read_affect_labels
from faceml.formats.data_format import SPLIT, BrokenRecord, DataFormat, ImportedImage, expression_training
from faceml.formats.source_files import find_image
from faceml.storage import StorageFolder

SPLITS = {"train_set": "train", "train": "train", "val_set": "val", "val": "val"}
"""Split of each folder; the archives have either the long names or the short ones."""
IMAGES, ANNOTATIONS = "images", "annotations"
EXPRESSION = "_exp.npy"
ENDINGS = (EXPRESSION, "_val.npy", "_aro.npy")
MAX_BYTES = 4_096
"""Bytes of a file that are read: the header of a single value has 128."""


class AffectNetNpy(DataFormat):
    """AffectNet's cropped faces with eight expressions, valence and arousal.

    The 68 landmarks of `N_lnd.npy` are not read: those of the detector are used.
    """

    name = "affectnet-npy"
    description = "AffectNet: train_set and val_set with images/0.jpg and annotations/0_exp.npy"
    label_columns = AFFECT_COLUMNS

    def __init__(self, source: Path) -> None:
        self._root = _find_root(source)
        self._folders = _split_folders(self._root)
        if set(self._folders.values()) != {"train", "val"}:
            raise ConfigError(
                f"{source}: has no train_set and val_set with {IMAGES} and {ANNOTATIONS}, the folders of "
                "AffectNet. Unpack their archives into one folder and name it."
            )

    @classmethod
    def recognises(cls, source: Path) -> bool:
        """Return whether there is a split's folder of annotations, in or around a folder."""
        return bool(_split_folders(_find_root(source)))

    @property
    def files(self) -> tuple[Path, ...]:
        """The folders of annotations."""
        return tuple(self._root / name / ANNOTATIONS for name in self._folders)

    @property
    def images(self) -> Path:
        """Folder of both splits."""
        return self._root

    def count_records(self) -> int:
        """Return the number of annotated images."""
        return sum(1 for name in self._folders for _ in self._numbers(name))

    def records(self) -> Iterator[ImportedImage | BrokenRecord]:
        """Read the annotations, in the order of the folder's listing."""
        for name, split in self._folders.items():
            for number in self._numbers(name):
                yield self._image(name, number, split)

    def _numbers(self, name: str) -> Iterator[str]:
        """List the images of a split by their annotations of the expression, without extension."""
        files = StorageFolder(self._root / name / ANNOTATIONS).walk()
        return (file.path.removesuffix(EXPRESSION) for file in files if file.path.endswith(EXPRESSION))

    def _image(self, name: str, number: str, split: str) -> ImportedImage | BrokenRecord:
        path = find_image(self._root, f"{name}/{IMAGES}/{number}.jpg")
        if path is None:
            return BrokenRecord(f"{name}/{IMAGES}/{number}.jpg", "no such image")
        texts = []
        for file in (f"{name}/{ANNOTATIONS}/{number}{ending}" for ending in ENDINGS):
            text = read_value(self._root / file)
            if text is None:
                return BrokenRecord(file, "no file of a single value")
            texts.append(text)
        labels = read_affect_labels(*texts)
        if isinstance(labels, str):
            return BrokenRecord(f"{name}/{ANNOTATIONS}/{number}{EXPRESSION}", labels)
        return ImportedImage(path, {SPLIT: split, **labels})

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the settings of a training of expression and landmarks."""
        return expression_training("expression", "affectnet8")


def _find_root(source: Path) -> Path:
    """Return the folder of the splits, of which a folder may be a part."""
    folder = source.parent if source.name in (IMAGES, ANNOTATIONS) else source
    return folder.parent if folder.name in SPLITS and (folder / ANNOTATIONS).is_dir() else folder


def _split_folders(root: Path) -> dict[str, str]:
    """Return the split of each folder of images and annotations, one folder for each split."""
    found = {
        split: name
        for name, split in SPLITS.items()
        if (root / name / IMAGES).is_dir() and (root / name / ANNOTATIONS).is_dir()
    }
    return {name: split for split, name in found.items()}


def read_value(file: Path) -> str | None:
    """Return the single value of a `.npy` file as text; None if it has not one, is damaged or has objects.

    Objects are pickles, which could run any program; they are never read.
    """
    value: str | None = None
    with catch_errors(Exception):  # a damaged header gives errors of many types
        if file.is_file():  # opening a pipe would wait for its writer
            with file.open("rb") as stream:
                content = BytesIO(stream.read(MAX_BYTES))
            values = np.lib.format.read_array(content, allow_pickle=False)
            if values.size == 1 and values.dtype.kind in "USiuf":
                value = str(values.astype(str).item()).strip() or None
    return value
