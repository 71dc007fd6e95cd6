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
import torch
from torch import Tensor
from torch.utils.data import Dataset

from faceml.config import ConfigError
from faceml.datasets.face_columns import (
    DECODED,
    TableRows,
    copies_are_aligned,
    expression_labels,
    has_landmarks,
    read_rows,
    seen_landmarks,
    seen_sizes,
)
from faceml.datasets.image_source import ImageSource
from faceml.datasets.labels import EXPRESSIONS
from faceml.datasets.preprocessing import Preprocessing
from faceml.images import Framing
from faceml.page import first_names

logger = logging.getLogger(__name__)


class FaceSample(NamedTuple):
    """One face, or a batch of faces, whose tensors then have a first dimension B.

    Attributes:
        image: uint8 of shape (3, S, S); float32 from 0 to 1 after augmentation.
        label: int64, the expression from 0 to 7 or the person.
        landmarks: float32 of shape (L, 2), normalised; 0 where there are none.
        has_landmarks: bool.
        position: int64, the face's position in the data set.
    """

    image: Tensor
    label: Tensor
    landmarks: Tensor
    has_landmarks: Tensor
    position: Tensor

    def to(self, device: torch.device) -> "FaceSample":
        """Return a copy on a device; copying from pinned memory overlaps with computation."""
        return FaceSample(*(values.to(device, non_blocking=True) for values in self))


class LabelledFaces(Dataset[FaceSample]):
    """Faces in the order of their `image_id`.

    Args:
        rows: N rows of a landmark table.
        source: The encoded images of these rows.
        preprocessing: Turns an encoded image into a square of pixels.
        labels: int64 of shape (N,).
        landmarks: float32 of shape (N, L, 2), normalised; 0 where there are none.
        has_landmarks: bool of shape (N,).

    Attributes:
        table: The table's path or URI.
        left_out: Names of the images that do not belong to the data set, by status.
    """

    def __init__(
        self,
        rows: TableRows,
        source: ImageSource,
        preprocessing: Preprocessing,
        labels: npt.NDArray[np.int64],
        landmarks: npt.NDArray[np.float32],
        has_landmarks: npt.NDArray[np.bool_],
    ) -> None:
        self.table = rows.table
        self.left_out = rows.left_out
        self.source = source
        self.image_ids = source.image_ids
        self.preprocessing = preprocessing
        self.labels = torch.from_numpy(labels)
        self.landmarks = torch.from_numpy(landmarks)
        self.has_landmarks = torch.from_numpy(has_landmarks.copy())

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> FaceSample:
        return FaceSample(*(values[0] for values in self.__getitems__([index])))

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
        return FaceSample(images, self.labels[rows], self.landmarks[rows], self.has_landmarks[rows], rows)

    def square(self, index: int) -> Tensor:
        """Return the pixels of a face, uint8 of shape (3, S, S).

        Raises:
            StoppedError: The image has changed since extraction; names it.
        """
        return self.preprocessing.square(self.source.read(index), self.image_ids[index], self.table)

    def log_left_out(self) -> None:
        """Log the names of the images that do not belong to the data set."""
        for status, images in self.left_out.items():
            names = first_names(images)
            logger.warning("%d images of %s are left out, %s: %s", len(images), self.table, status, names)


class FaceDataset(LabelledFaces):
    """Faces with their expression and landmarks.

    Every decoded image belongs to it; images in which no face was found have an expression but no landmarks.

    Args:
        table: Landmark table whose folders are expressions, a path or URI.
        images: The folder that was extracted, a path or URI; None reads the table's column `image_jpeg`.
        num_landmarks: 5 or 10.
        preprocessing: Turns an encoded image into a square of pixels.
        cache: Folder of the unpacked copies; the user's cache by default.
        follow_links: Read also files outside of `images` that symbolic links lead to.

    Raises:
        ConfigError: There is no usable table, a folder's name is no expression, or images are missing.
    """

    def __init__(
        self,
        table: str | Path,
        images: str | Path | None,
        num_landmarks: int,
        preprocessing: Preprocessing,
        cache: Path | None = None,
        *,
        follow_links: bool = False,
    ) -> None:
        if images is None and copies_are_aligned(table):
            # Landmarks refer to the whole image, not to an aligned copy.
            raise ConfigError(
                f"{table}: its copies are aligned faces (output.embed.align), for face recognition only. "
                "Name the folder that was extracted, or extract without output.embed.align."
            )
        found = read_rows(table, num_landmarks, DECODED, from_copies=images is None)
        rows = found.rows
        labels, landmarks = expression_labels(rows, found.table), seen_landmarks(rows, num_landmarks)
        source = ImageSource(table, images, rows["image_id"], cache, follow_links=follow_links)
        super().__init__(found, source, preprocessing, labels, landmarks, has_landmarks(rows))
        self._sizes = seen_sizes(rows)

    def framing(self) -> Framing | None:
        """Return the location of faces in their images; None if there are no landmarks."""
        found = self.has_landmarks.numpy()
        return Framing.of(self.landmarks.numpy()[found], self._sizes[found]) if found.any() else None

    def class_counts(self) -> list[int]:
        """Return the number of faces of each expression."""
        return torch.bincount(self.labels, minlength=len(EXPRESSIONS)).tolist()
