"""AffectNet as it was first shipped: lists in CSV files, and photos in numbered folders."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from faceml.config import ConfigError
from faceml.formats.affect_labels import AFFECT_COLUMNS, read_affect_labels
from faceml.formats.csv_rows import count_rows, read_rows
from faceml.formats.data_format import SPLIT, BrokenRecord, DataFormat, ImportedImage, expression_training
from faceml.formats.source_files import find_image

BOX = ("face_x", "face_y", "face_width", "face_height")
HEADER = ("subdirectory_filepath", *BOX, "facial_landmarks", "expression", "valence", "arousal")
"""Columns of the lists; `validation.csv` is shipped without them."""
COLUMNS = ("subdirectory_filepath", "expression", "valence", "arousal")
LISTS = {
    "training.csv": ("train", "manually"),
    "validation.csv": ("val", "manually"),
    "automatically_annotated.csv": ("train", "automatically"),
}
"""Split of each list, and the first word in the name of its folder of images."""
FOLDERS = {
    f"{annotated}{separator}{content}": (annotated.lower(), content)
    for annotated in ("Manually", "Automatically")
    for separator in ("_Annotated", "_annotated", " Annotated")
    for content in ("", "_Images", "_compressed", "_file_lists", "_file_list")
}
"""Folders of the archives by name: the first word of the name in lower case, and its end."""
FOLDERS_IN_FOLDERS = 4
PIXELS = re.compile(r"-?[0-9]{1,6}")

logger = logging.getLogger(__name__)


class AffectNetCsv(DataFormat):
    """AffectNet's photos with eight expressions, valence and arousal, annotated by hand or by a network.

    The annotations `none`, `uncertain` and `no-face` are no expressions; the column `annotation` has them.
    Training and validation images are annotated by hand. Where the list of those annotated by a network and
    their images are beside them, they belong to the training split too, with `automatic` true.
    """

    name = "affectnet-csv"
    description = "AffectNet: training.csv and validation.csv beside Manually_Annotated_Images"
    label_columns = {**AFFECT_COLUMNS, "automatic": pa.bool_(), **dict.fromkeys(BOX, pa.int32())}

    def __init__(self, source: Path) -> None:
        found = _find(source)
        if found is None:
            raise ConfigError(
                f"{source}: has no training.csv, validation.csv and Manually_Annotated_Images of AffectNet. "
                "Unpack their archives into one folder and name it."
            )
        self._lists, self._folders = found
        for name in [name for name in self._lists if LISTS[name][1] not in self._folders]:
            logger.warning("%s: is left out, because there is no folder of its images", self._lists.pop(name))
        self._root = Path(os.path.commonpath([self._folders[LISTS[name][1]] for name in self._lists]))

    @classmethod
    def recognises(cls, source: Path) -> bool:
        """Return whether there are the lists and the images annotated by hand, in or around a folder."""
        return _find(source) is not None

    @property
    def files(self) -> tuple[Path, ...]:
        """The lists."""
        return tuple(self._lists.values())

    @property
    def images(self) -> Path:
        """Folder of the images annotated by hand, or of all images if there are others."""
        return self._root

    def count_records(self) -> int:
        """Return the number of rows."""
        return sum(count_rows(file, COLUMNS[0]) for file in self._lists.values())

    def records(self) -> Iterator[ImportedImage | BrokenRecord]:
        """Read the lists."""
        for name, file in self._lists.items():
            split, annotated = LISTS[name]
            folder = self._folders[annotated]
            own = {SPLIT: split, "automatic": annotated == "automatically"}
            for row in read_rows(file, COLUMNS, header=HEADER):
                yield row if isinstance(row, BrokenRecord) else self._image(row, folder, own)

    def _image(
        self, row: Mapping[str, str], folder: Path, own: Mapping[str, Any]
    ) -> ImportedImage | BrokenRecord:
        labels = read_affect_labels(row["expression"], row["valence"], row["arousal"])
        if isinstance(labels, str):
            return BrokenRecord(row["row"], labels)
        path = find_image(folder, row["subdirectory_filepath"])
        if path is None:
            return BrokenRecord(row["row"], "no such image")
        image_id = (folder / path).relative_to(self._root).as_posix()
        return ImportedImage(image_id, {**own, **labels, **_face_box(row)})

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the settings of a training of expression and landmarks."""
        return expression_training("expression", "affectnet8")


def _find(source: Path) -> tuple[dict[str, Path], dict[str, Path]] | None:
    """Find the lists by name, and the folders of images by the first word of their names.

    Searched are the folder and those of the archives in it; if it is one of these itself, also its parent.
    """
    folder = source if source.is_dir() else source.parent
    lists, images = dict[str, Path](), dict[str, Path]()
    for place in _archive_folders(folder, FOLDERS_IN_FOLDERS):
        for name in LISTS:
            if (place / name).is_file():
                lists.setdefault(name, place / name)
        annotated, content = FOLDERS.get(place.name, ("", ""))
        if content == "_Images":
            images[annotated] = place  # the last, which may be in one of the same name
    if {"training.csv", "validation.csv"} <= lists.keys() and "manually" in images:
        return lists, images
    return _find(folder.parent) if folder.name in FOLDERS else None


def _archive_folders(folder: Path, depth: int) -> list[Path]:
    """Return a folder, and the folders of AffectNet's archives in it."""
    inside = [folder / name for name in FOLDERS if (folder / name).is_dir()] if depth else []
    return [folder, *(place for found in inside for place in _archive_folders(found, depth - 1))]


def _face_box(row: Mapping[str, str]) -> dict[str, int]:
    """Return the box of the face in px, empty if the image has none."""
    texts = [row.get(name, "") for name in BOX]
    if not all(map(PIXELS.fullmatch, texts)):
        return {}
    box = dict(zip(BOX, map(int, texts), strict=True))
    return box if min(box["face_width"], box["face_height"]) > 0 else {}
