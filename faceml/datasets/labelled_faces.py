"""Faces of a landmark table with the targets of tasks, one by one and in batches.

Shape letters: N faces, B faces of a batch, S side of the image, px.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor
from torch.utils.data import Dataset

from faceml.datasets.face_columns import FaceKey, FaceKeys
from faceml.datasets.face_rows import CROPS, IMAGES, NAMES, SOURCES, YAW
from faceml.datasets.image_source import ImageSource
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.target_columns import targets_in
from faceml.datasets.targets import Targets, targets_of
from faceml.images import Box, RgbImage
from faceml.storage import MappedRows, MappedText, Places
from faceml.tables import FACE, NamedCount, TableSelection

logger = logging.getLogger(__name__)


class FaceSample(NamedTuple):
    """One face, or a batch of faces, whose tensors then have a first dimension B.

    Attributes:
        image: uint8 of shape (3, S, S); float32 from 0 to 1 after augmentation.
        targets: Target of each task by its name.
        position: int64, the face's position in the data set.
    """

    image: Tensor
    targets: Targets
    position: Tensor

    def to(self, device: torch.device) -> "FaceSample":
        """Return a copy on a device; copying from pinned memory overlaps with computation."""
        return FaceSample(
            self.image.to(device, non_blocking=True),
            {task: target.to(device) for task, target in self.targets.items()},
            self.position.to(device, non_blocking=True),
        )


class LabelledFaces(Dataset[FaceSample]):
    """Faces with the targets of tasks, in the order of their images.

    Names and targets are mapped into memory, see `faceml.datasets.opened_rows`: the memory of a process does
    not grow with the number of faces.

    Args:
        rows: N rows of a landmark table.
        selection: The rows of the table that belong to the split.
        images: The folder of the images, a path or URI, or the folders by the names of their sources; None
            reads the table's column `image_jpeg`.
        preprocessing: Turns an encoded image into a square of pixels.
        cache: Folder of the unpacked copies; the user's cache by default.
        follow_links: Read also files outside of `images` that symbolic links lead to.

    Attributes:
        table: The table's path or URI.
        selection: The rows of the table that belong to the split.
        table_rows: Number of all rows of the table.
        left_out: Number and first names of the rows that do not belong to the data set, by status or by the
            task that excludes them.
        num_excluded: Number of those that a task excludes.
        image_ids: `image_id` of each face.
        names: Name of each face, which no other has: its `image_id`, and `photo.jpg#1` for face 1.
    """

    def __init__(
        self,
        rows: MappedRows,
        selection: TableSelection,
        images: Places | None,
        preprocessing: Preprocessing,
        cache: Path | None,
        *,
        follow_links: bool,
    ) -> None:
        self.selection, self.table = selection, selection.table
        self.table_rows: int = rows.facts["table_rows"]
        self.left_out = {reason: named_count(count) for reason, count in rows.facts["left_out"].items()}
        self.num_excluded: int = rows.facts["num_excluded"]
        self.image_ids: Sequence[str] = MappedText(rows, IMAGES)
        self.names = MappedText(rows, NAMES) if NAMES in rows else self.image_ids
        self.source = ImageSource(
            self.table, images, self.image_ids, self.names, cache, follow_links=follow_links
        )
        self.preprocessing = preprocessing
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what a spawned process maps into its memory itself."""
        return {name: value for name, value in vars(self).items() if name not in MAPPED}

    @cached_property
    def targets(self) -> Targets:
        """Target of each task by its name, for the N faces."""
        return targets_in(self._rows)

    @property
    def numbers(self) -> npt.NDArray[np.int64] | None:
        """Number of each face in its image, int64 of shape (N,); None with one row per image."""
        return self._rows.numbers(FACE) if FACE in self._rows else None

    @property
    def keys(self) -> Sequence[FaceKey]:
        """Key of each face, its image and number."""
        return FaceKeys(self.image_ids, self.numbers)

    @property
    def yaw_deg(self) -> npt.NDArray[np.float32]:
        """Yaw of the head, float32 of shape (N,), degrees; NaN where no face was found."""
        return self._rows.numbers(YAW)

    @property
    def sources(self) -> pa.DictionaryArray | None:
        """Source of each image; None if the table has one source without a name."""
        return self._rows.text(SOURCES) if SOURCES in self._rows else None

    @property
    def is_whole_table(self) -> bool:
        """Whether every decoded image of the table belongs to the data set."""
        return not self.num_excluded and not self.selection.where

    def __getitem__(self, index: int) -> FaceSample:
        batch = self.__getitems__([index])
        return FaceSample(batch.image[0], targets_of(batch.targets, 0), batch.position[0])

    def __getitems__(self, indices: Sequence[int]) -> FaceSample:
        """Return a batch of faces. PyTorch's loaders call this method; they need no collation.

        Raises:
            StoppedError: An image has changed since extraction; names it.
        """
        side = self.preprocessing.image_size
        images = torch.empty((len(indices), 3, side, side), dtype=torch.uint8)

        def decode(places: npt.NDArray[np.int64]) -> None:
            for place in places.tolist():
                images[place] = self.square(indices[place])

        places = np.arange(len(indices))
        threads = min(torch.get_num_threads(), len(indices))
        if threads > 1:  # only in the training process: loader processes have one thread
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(decode, np.array_split(places, threads)))
        else:
            decode(places)
        rows = torch.tensor(indices)
        return FaceSample(images, targets_of(self.targets, rows), rows)

    def square(self, index: int) -> Tensor:
        """Return the pixels of a face, uint8 of shape (3, S, S).

        Raises:
            StoppedError: The image has changed since extraction; names it.
        """
        return self.preprocessing.resize(self.pixels(index))

    def pixels(self, index: int, preprocessing: Preprocessing | None = None) -> RgbImage:
        """Return the image of a face, or its part that shows the face, before it is scaled.

        Args:
            index: Position of the face.
            preprocessing: Decodes the image; that of the data set by default.

        Returns:
            uint8 of shape (H, W, 3).

        Raises:
            StoppedError: The image has changed since extraction; names it.
        """
        crop = self._rows.numbers(CROPS)[index].tolist() if CROPS in self._rows else [math.nan]
        return (preprocessing or self.preprocessing).pixels(
            self.source.read(index),
            self.image_ids[index],
            self.table,
            None if math.isnan(crop[0]) else Box(*crop),
        )

    def log_left_out(self) -> None:
        """Log how many rows are selected, and the names of those that do not belong to the data set."""
        if self.selection.where:
            num_left_out = sum(count.number for count in self.left_out.values())
            selected = f"{len(self) + num_left_out:,} of {self.table_rows:,} rows"
            logger.info("%s: %s are selected.", self.selection, selected)
        for status, count in self.left_out.items():
            logger.warning("%d images of %s are left out, %s: %s", count.number, self.table, status, count)


MAPPED = ("targets", "has_landmarks", "labels")
"""Attributes of data sets that are mapped into memory when they are first used."""


def named_count(plain: Mapping[str, Any]) -> NamedCount:
    """Return a count that is stored as plain values."""
    return NamedCount(plain["number"], tuple(plain["names"]))
