"""Data sets of faces, composed of a landmark table's rows, an image source and labels.

Shape letters: N faces, B faces of a batch, L landmarks, S side of the image, px.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor
from torch.utils.data import Dataset

from faceml.config import FOLDER, ConfigError
from faceml.datasets.face_columns import FaceKeys, ImageNames, has_landmarks, seen_landmarks, seen_sizes
from faceml.datasets.image_source import ImageSource
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.table_rows import TableRows, as_selection, copies_are_aligned, read_targets
from faceml.datasets.targets import TargetReader, Targets, targets_of
from faceml.images import Box, Framing, RgbImage
from faceml.page import first_names
from faceml.storage import Places
from faceml.tables import (
    FACE,
    TableSelection,
    face_names,
    face_numbers,
    is_further_face,
    landmark_column,
)

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

    Args:
        rows: N rows of a landmark table.
        source: The encoded images of these rows.
        preprocessing: Turns an encoded image into a square of pixels.
        targets: Target of each task for the N rows.

    Attributes:
        table: The table's path or URI.
        selection: The rows of the table that belong to the split.
        table_rows: Number of all rows of the table.
        left_out: Names of the rows that do not belong to the data set, by status or by the task that excludes
            them.
        excluded: Names of those that a task excludes.
        image_ids: `image_id` of each face.
        names: Name of each face, which no other has: its `image_id`, and `photo.jpg#1` for face 1.
        numbers: Number of each face in its image, int64 of shape (N,); None with one row per image.
        keys: Key of each face, its image and number.
    """

    def __init__(
        self,
        rows: TableRows,
        source: ImageSource,
        preprocessing: Preprocessing,
        targets: Targets,
    ) -> None:
        self.selection, self.table_rows = rows.selection, rows.table_rows
        self.table = rows.selection.table
        self.left_out = rows.left_out
        self.excluded = rows.excluded
        self.source = source
        self.image_ids = source.image_ids
        has_all = FACE in rows.rows.column_names
        self.names = ImageNames(face_names(rows.rows)) if has_all else self.image_ids
        self.numbers = face_numbers(rows.rows) if has_all else None
        self.keys = FaceKeys(rows.rows)
        has_crops = "crop_box" in rows.rows.column_names and not source.has_copies
        self._crops = rows.rows["crop_box"].combine_chunks() if has_crops else None
        self.preprocessing = preprocessing
        self.targets = targets

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def is_whole_table(self) -> bool:
        """Whether every decoded image of the table belongs to the data set."""
        return not self.excluded and not self.selection.where

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
        crop = self._crops[index].as_py() if self._crops is not None else None
        return (preprocessing or self.preprocessing).pixels(
            self.source.read(index), self.image_ids[index], self.table, Box(*crop) if crop else None
        )

    def log_left_out(self) -> None:
        """Log how many rows are selected, and the names of those that do not belong to the data set."""
        if self.selection.where:
            num_left_out = sum(map(len, self.left_out.values()))
            selected = f"{len(self) + num_left_out:,} of {self.table_rows:,} rows"
            logger.info("%s: %s are selected.", self.selection, selected)
        for status, left_out in self.left_out.items():
            names = first_names(left_out)
            logger.warning("%d images of %s are left out, %s: %s", len(left_out), self.table, status, names)


class FaceDataset(LabelledFaces):
    """Faces with the targets of any tasks.

    Every decoded image belongs to it, except those that a task excludes. Images in which no face was found
    have no target in tasks of landmarks or head pose.

    Of a table with one row per face, every face belongs to it, cut out of its image with the margin of
    cropped copies. The folder of an image is a label of its face 0; further faces have no target of it.

    Args:
        table: Landmark table, a path or URI, or a selection of its rows with their label table.
        images: The folder that was extracted, a path or URI, or the folders by the names of their sources;
            None reads the table's column `image_jpeg`.
        num_landmarks: 5 or 10, the points by which the location of faces is known.
        preprocessing: Turns an encoded image into a square of pixels.
        tasks: What is learned from the faces.
        is_training: True for the training split, from which tasks take the classes that they find.
        cache: Folder of the unpacked copies; the user's cache by default.
        follow_links: Read also files outside of `images` that symbolic links lead to.

    Attributes:
        has_landmarks: Whether a face was found in an image, bool of shape (N,).
        label_counts: Differences between the images and the label table; None without one.

    Raises:
        ConfigError: There is no usable table, a value cannot be a target, or images are missing.
    """

    def __init__(
        self,
        table: str | Path | TableSelection,
        images: Places | None,
        num_landmarks: int,
        preprocessing: Preprocessing,
        tasks: Sequence[TargetReader] = (),
        cache: Path | None = None,
        *,
        is_training: bool = False,
        follow_links: bool = False,
    ) -> None:
        selection = as_selection(table)
        if images is None and copies_are_aligned(selection.table):
            # Landmarks refer to the whole image, not to an aligned copy.
            raise ConfigError(
                f"{selection.table}: its copies are aligned faces (output.embed.align), for face "
                "recognition only. Name the folder that was extracted, or extract without output.embed.align."
            )
        found = read_targets(
            selection, num_landmarks, tasks, from_copies=images is None, is_training=is_training
        )
        rows = found.rows
        source = ImageSource(selection.table, images, rows, cache, follow_links=follow_links)
        super().__init__(
            found, source, preprocessing, {task.name: task.read(rows, selection.table) for task in tasks}
        )
        self.rows = rows
        self.label_counts = found.label_counts
        self.has_landmarks = has_landmarks(rows)
        self._num_landmarks = num_landmarks
        self._has_folder_labels = any(FOLDER in task.columns for task in tasks)

    def log_left_out(self) -> None:
        """Log the names of the images that do not belong to the data set, or have no labels."""
        super().log_left_out()
        further = face_names(self.rows).filter(pa.array(is_further_face(self.rows))).to_pylist()
        if further and self._has_folder_labels:
            logger.warning(
                "%d further faces of images in %s have no label: the folder labels face 0. %s",
                len(further),
                self.table,
                first_names(further),
            )
        if self.selection.labels is not None and self.label_counts is not None:
            self.label_counts.log(str(self.selection.labels))

    def framing(self) -> Framing | None:
        """Return the location of faces in their images; None if there are no landmarks."""
        found = self.has_landmarks
        if not found.any():
            return None
        points = seen_landmarks(self.rows, [landmark_column(self._num_landmarks)])
        return Framing.of(points[found], seen_sizes(self.rows)[found])
