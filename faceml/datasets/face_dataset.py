"""Faces with their expression and landmarks, joined from a landmark table and its images.

Shape letters: N faces, L landmarks, S side of the image, px.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor
from torch.utils.data import Dataset

from faceml.config import ConfigError
from faceml.datasets.face_columns import (
    DECODED,
    ImageNames,
    copies_are_aligned,
    expression_labels,
    has_landmarks,
    seen_landmarks,
    seen_sizes,
    training_columns,
)
from faceml.datasets.image_files import ImageFiles
from faceml.datasets.labels import EXPRESSIONS
from faceml.datasets.preprocessing import Preprocessing
from faceml.images import Framing
from faceml.page import first_names
from faceml.tables import ImageCopies, read_table

logger = logging.getLogger(__name__)

ReadBytes = Callable[[int], bytes | None]


class FaceSample(NamedTuple):
    """One face, or a batch of them when collated.

    Attributes:
        image: uint8 of shape (3, S, S); float32 from 0 to 1 after augmentation.
        label: int64, 0 to 7.
        landmarks: float32 of shape (L, 2), normalised; 0 where there are none.
        has_landmarks: bool.
        position: int64, the face's place in the dataset.
    """

    image: Tensor
    label: Tensor
    landmarks: Tensor
    has_landmarks: Tensor
    position: Tensor

    def to(self, device: torch.device) -> "FaceSample":
        """Return a copy on a device; from pinned memory the copying overlaps with computing."""
        return FaceSample(*(values.to(device, non_blocking=True) for values in self))


class FaceDataset(Dataset[FaceSample]):
    """Faces in the order of their `image_id`.

    Every image that could be decoded belongs to it; those in which no face was found have an expression
    but no landmarks. Rows without pixels are left out; `left_out` has the names of the
    images by status.

    Subclasses say with `taken` and `labels_of` which rows belong to them and what their labels are.

    Args:
        table: Landmark table with labelled folders, a path or URI.
        images: The folder that was extracted, a path or URI; None reads the table's column `image_jpeg`.
        num_landmarks: 5 or 10.
        preprocessing: Makes the square image.
        cache: Where copies are laid out for reading; the user's cache by default.

    Raises:
        ConfigError: No usable table, a folder that names no expression, or no copies of the images.
    """

    taken: Sequence[str] = DECODED
    """Statuses of the rows that belong to it."""
    takes_aligned_copies = False
    """Whether copies of faces on ArcFace's template are of use: landmarks are told of the whole image."""

    def __init__(
        self,
        table: str | Path,
        images: str | Path | None,
        num_landmarks: int,
        preprocessing: Preprocessing,
        cache: Path | None = None,
    ) -> None:
        self.table = str(table)
        self.preprocessing = preprocessing
        self.from_aligned_copies = images is None and copies_are_aligned(table)
        if self.from_aligned_copies and not self.takes_aligned_copies:
            raise ConfigError(
                f"{table}: its copies are aligned faces (output.embed.align), for face recognition alone. "
                "Name the folder that was extracted, or extract without output.embed.align."
            )
        rows = read_table(table, training_columns(table, num_landmarks, from_copies=images is None))
        taken = pc.is_in(rows["status"], pa.array(self.taken))
        self.left_out = _by_status(rows.filter(pc.invert(taken)))
        rows = rows.filter(taken)
        self.image_ids: Sequence[str] = ImageNames(rows["image_id"])
        self.labels = torch.from_numpy(self.labels_of(rows, self.table))
        self.has_landmarks = torch.from_numpy(has_landmarks(rows).copy())
        self.landmarks = torch.from_numpy(seen_landmarks(rows, num_landmarks))
        self._sizes = seen_sizes(rows)
        # Not closures: where processes are spawned, a dataset is pickled for its loaders.
        self.read: ReadBytes = (
            partial(_read_file, ImageFiles(images), self.image_ids)
            if images
            else ImageCopies(table, rows["image_id"], cache)
        )
        if images and len(self) and not ImageFiles(images).has(self.image_ids[0]):
            raise ConfigError(
                f"{images}: {self.image_ids[0]} of the table {table} is not there. Name the folder "
                "that was extracted."
            )

    def labels_of(self, rows: pa.Table, table: str) -> npt.NDArray[np.int64]:
        """Return the label of each row, int64 of shape (N,).

        Raises:
            ConfigError: The rows do not say.
        """
        return expression_labels(rows, table)

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> FaceSample:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[FaceSample]:
        """Return several faces; a loader asks for a batch at a time.

        Raises:
            StoppedError: A file is no longer what was extracted; names it.
        """
        threads = min(torch.get_num_threads(), len(indices))
        if threads > 1:  # in the process that trains; in those of a loader it is one
            with ThreadPoolExecutor(threads) as pool:
                parts = pool.map(self._squares, np.array_split(indices, threads))
                images = list(chain.from_iterable(parts))
        else:
            images = self._squares(indices)
        rows = torch.tensor(indices)
        # Rows of a whole tensor: to index five tensors for each face would take as long as to scale it.
        of_each = (self.labels[rows], self.landmarks[rows], self.has_landmarks[rows], rows)
        return list(map(FaceSample, images, *(values.unbind() for values in of_each)))

    def _squares(self, indices: Iterable[int]) -> list[Tensor]:
        return [self.square(index) for index in indices]

    def square(self, index: int) -> Tensor:
        """Return the pixels of a face, uint8 of shape (3, S, S).

        Raises:
            StoppedError: The file is no longer what was extracted; names it.
        """
        return self.preprocessing.square(self.read(index), self.image_ids[index], self.table)

    def prepare(self) -> None:
        """Make images quick to read, here and in the processes of a loader."""
        if isinstance(self.read, ImageCopies):
            self.read.prepare()

    def log_left_out(self) -> None:
        """Name the images that are left out."""
        for status, images in self.left_out.items():
            names = first_names(images)
            logger.warning("%d images of %s are left out, %s: %s", len(images), self.table, status, names)

    def framing(self) -> Framing | None:
        """Return how the faces lie in their images; None if there are no landmarks at all."""
        found = self.has_landmarks.numpy()
        return Framing.of(self.landmarks.numpy()[found], self._sizes[found]) if found.any() else None

    def class_counts(self) -> list[int]:
        """Count the faces of each expression."""
        return torch.bincount(self.labels, minlength=len(EXPRESSIONS)).tolist()


def _by_status(rows: pa.Table) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for status, image_id in zip(rows["status"].to_pylist(), rows["image_id"].to_pylist(), strict=True):
        found.setdefault(status, []).append(image_id)
    return found


def _read_file(files: ImageFiles, image_ids: Sequence[str], index: int) -> bytes | None:
    return files(image_ids[index])
