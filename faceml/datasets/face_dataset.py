"""Faces with their expression and landmarks, joined from a landmark table and its images.

Shape letters: N faces, L landmarks, S side of the image, px.
"""

import json
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor
from torch.utils.data import Dataset

from faceml.config.config_error import ConfigError
from faceml.datasets.labels import EXPRESSIONS, expression_label
from faceml.datasets.landmark_table import read_table, table_metadata_of
from faceml.datasets.preprocessing import Preprocessing
from faceml.images import RgbImage, decode_image
from faceml.schema import crop_landmarks, landmark_column

logger = logging.getLogger(__name__)

MOST_NAMED = 5
"""Images left out, on a line of the log."""

ReadBytes = Callable[[int], bytes]


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

    Args:
        table: Landmark table with labelled folders.
        images: The folder that was extracted; None reads the table's column `image_jpeg`.
        num_landmarks: 5 or 10.
        preprocessing: Makes the square image.

    Raises:
        ConfigError: No usable table, a folder that names no expression, or no copies of the images.
    """

    def __init__(
        self,
        table: Path,
        images: Path | None,
        num_landmarks: int,
        preprocessing: Preprocessing,
    ) -> None:
        self.table = table
        points = landmark_column(num_landmarks)
        rows = read_table(table, ["folder", "status", points, *([] if images else _copy_columns(table))])
        decoded = pc.is_in(rows["status"], pa.array(["ok", "no_face"]))
        self.left_out = _by_status(rows.filter(pc.invert(decoded)))
        rows = rows.filter(decoded)
        self.image_ids: list[str] = rows["image_id"].to_pylist()
        self.labels = torch.tensor(_labels(rows["folder"].to_pylist(), table), dtype=torch.int64)
        self.has_landmarks = torch.tensor(rows["status"].to_numpy() == "ok")
        self.landmarks = _landmarks(rows[points], num_landmarks)
        if images is None and "crop_box" in rows.column_names:
            self.landmarks = _in_crops(self.landmarks, rows["crop_box"])
        if images and self.image_ids and not (images / self.image_ids[0]).is_file():
            raise ConfigError(
                f"{images}: {self.image_ids[0]} of the table {table} is not there. Name the folder "
                "that was extracted."
            )
        # Not closures: where processes are spawned, a dataset is pickled for its loaders.
        self._read: ReadBytes = (
            partial(_read_file, images, self.image_ids)
            if images
            else partial(_read_copy, rows["image_jpeg"].combine_chunks())
        )
        self._preprocessing = preprocessing

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> FaceSample:
        image = self._preprocessing.resize(self.decode(index))
        return FaceSample(
            image,
            self.labels[index],
            torch.nan_to_num(self.landmarks[index]),
            self.has_landmarks[index],
            torch.tensor(index),
        )

    def decode(self, index: int) -> RgbImage:
        """Return the pixels of a face, uint8 of shape (H, W, 3).

        Raises:
            ValueError: The file is no longer what was extracted.
        """
        image = decode_image(self._read(index))
        if isinstance(image, str):
            raise ValueError(
                f"{self.image_ids[index]}: {image}, though the landmark table says otherwise. Extract again."
            )
        return image

    def log_left_out(self) -> None:
        """Name the images that are left out."""
        for status, images in self.left_out.items():
            named = ", ".join(images[:MOST_NAMED]) + (", …" if len(images) > MOST_NAMED else "")
            logger.warning("%d images of %s are left out, %s: %s", len(images), self.table, status, named)

    def class_counts(self) -> list[int]:
        """Count the faces of each expression."""
        return torch.bincount(self.labels, minlength=len(EXPRESSIONS)).tolist()


def _by_status(rows: pa.Table) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for status, image_id in zip(rows["status"].to_pylist(), rows["image_id"].to_pylist(), strict=True):
        found.setdefault(status, []).append(image_id)
    return found


def _labels(folders: list[str], table: Path) -> list[int]:
    by_folder = {folder: expression_label(folder) for folder in set(folders)}
    unknown = sorted(folder for folder, label in by_folder.items() if label is None)
    if unknown:
        raise ConfigError(
            f"{table}: folder '{unknown[0]}' names no expression. Folders are 0 to {len(EXPRESSIONS) - 1} or "
            f"{', '.join(EXPRESSIONS)}."
        )
    return [label for folder in folders if (label := by_folder[folder]) is not None]


def _landmarks(column: pa.ChunkedArray, num_landmarks: int) -> Tensor:
    """Return float32 of shape (N, L, 2), NaN where the column is null."""
    filled = [
        np.full(2 * num_landmarks, np.nan) if points is None else points for points in column.to_pylist()
    ]
    return torch.tensor(np.array(filled), dtype=torch.float32).reshape(-1, num_landmarks, 2)


def _copy_columns(table: Path) -> list[str]:
    """Name the columns of the training copies, as the table's settings say."""
    embed = json.loads(table_metadata_of(table)["faceml.extraction"]).get("output", {}).get("embed") or {}
    return ["image_jpeg", *(["crop_box"] if embed.get("crop") else [])]


def _in_crops(landmarks: Tensor, boxes: pa.ChunkedArray) -> Tensor:
    """Normalise landmarks of shape (N, L, 2) to the faces cut out; a null box is the whole image."""
    whole = [0.0, 0.0, 1.0, 1.0]
    filled = np.array([box or whole for box in boxes.to_pylist()], dtype=np.float32).reshape(-1, 1, 4)
    return torch.tensor(crop_landmarks(landmarks.numpy(), filled), dtype=torch.float32)


def _read_file(root: Path, image_ids: list[str], index: int) -> bytes:
    return (root / image_ids[index]).read_bytes()


def _read_copy(copies: pa.Array, index: int) -> bytes:
    data: bytes = copies[index].as_py()
    return data
