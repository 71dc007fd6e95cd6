"""Batches of faces made from rows of a landmark table, as Ray Data streams them.

Shape letters: B rows, L landmarks, S side of the image, px.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from faceml.datasets.face_columns import DECODED, expression_labels, has_landmarks, seen_landmarks
from faceml.datasets.face_dataset import FaceSample
from faceml.datasets.image_source import ImageFiles
from faceml.datasets.preprocessing import Preprocessing
from faceml.tables import COLUMN

Columns = dict[str, npt.NDArray[Any]]


def decode_rows(
    rows: pa.Table, table: str, images: ImageFiles | None, num_landmarks: int, preprocessing: Preprocessing
) -> Columns:
    """Return the faces of rows as arrays; rows whose image could not be decoded are left out.

    Args:
        rows: Rows with `image_id` and the columns of `training_columns`, and with `image_jpeg` if there is
            no folder of images.
        table: The table's path or URI, for errors.
        images: The folder that was extracted; None decodes `image_jpeg`.
        num_landmarks: L.
        preprocessing: Turns an encoded image into a square of pixels.

    Returns:
        `image`, uint8 of shape (B, 3, S, S); `label`, `landmarks`, `has_landmarks` as in `FaceSample`;
        `image_id`.

    Raises:
        StoppedError: An image has changed since extraction; names it.
    """
    rows = rows.filter(pc.is_in(rows["status"], pa.array(DECODED)))
    names = rows["image_id"].to_pylist()
    encoded = rows[COLUMN].to_pylist() if images is None else map(images, names)
    side = preprocessing.image_size
    pixels = np.empty((len(names), 3, side, side), dtype=np.uint8)
    for place, (name, data) in enumerate(zip(names, encoded, strict=True)):
        pixels[place] = preprocessing.square(data, name, table).numpy()
    return {
        "image_id": np.array(names, dtype=object),
        "image": pixels,
        "label": expression_labels(rows, table),
        "landmarks": seen_landmarks(rows, num_landmarks),
        "has_landmarks": has_landmarks(rows),
    }


def collate_columns(columns: Mapping[str, npt.NDArray[Any]], image_ids: Sequence[str]) -> FaceSample:
    """Return a batch made from columns of `decode_rows`, whose rows may have been reordered.

    Args:
        columns: Arrays of B rows.
        image_ids: Names of all images of the data set, sorted; a face's position is its place among them.
    """
    positions = [bisect_left(image_ids, name) for name in columns["image_id"].tolist()]
    image, label, landmarks, found = (
        torch.from_numpy(columns[name].copy()) for name in ("image", "label", "landmarks", "has_landmarks")
    )
    return FaceSample(image, label, landmarks, found, torch.tensor(positions))
