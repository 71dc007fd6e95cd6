"""Batches of faces made from rows of a landmark table, as Ray Data streams them.

Shape letters: B rows, S side of the image, px.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from faceml.datasets.face_columns import FaceKey, FaceKeys, face_crops
from faceml.datasets.image_source import ImageFiles
from faceml.datasets.labelled_faces import FaceSample
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.table_rows import DECODED
from faceml.datasets.targets import Targets, targets_of
from faceml.images import Box
from faceml.tables import COLUMN, FACE, face_numbers, key_columns, table_columns

Columns = dict[str, npt.NDArray[Any]]


def decode_rows(
    rows: pa.Table,
    table: str,
    images: ImageFiles | None,
    preprocessing: Preprocessing,
    keys: Sequence[FaceKey] | None = None,
    margin: float | None = None,
) -> Columns:
    """Return the images of rows as arrays; rows that do not belong to the data set are left out.

    Args:
        rows: Rows with the columns of `streamed_columns`.
        table: The table's path or URI, for errors.
        images: The folder that was extracted; None decodes `image_jpeg`.
        preprocessing: Turns an encoded image into a square of pixels.
        keys: Keys of all faces of the data set, sorted; None if every decoded image belongs to it.
        margin: Margin with which faces are cut out of their images, see `face_crops`; None does not cut them.

    Returns:
        `image`, uint8 of shape (B, 3, S, S), and the key of each face, `image_id` and `face`.

    Raises:
        StoppedError: An image has changed since extraction; names it.
    """
    rows = rows.filter(pc.is_in(rows["status"], pa.array(DECODED)))
    if keys is not None:
        of_rows = FaceKeys(rows["image_id"].to_pylist(), face_numbers(rows))
        found = [_has(keys, key) for key in of_rows]
        rows = rows.filter(pa.array(found, pa.bool_()))
    names = rows["image_id"].to_pylist()
    encoded = rows[COLUMN].to_pylist() if images is None else map(images, names)
    crops = [None] * len(names) if margin is None else face_crops(rows, margin).to_pylist()
    side = preprocessing.image_size
    pixels = np.empty((len(names), 3, side, side), dtype=np.uint8)
    for place, (name, data, crop) in enumerate(zip(names, encoded, crops, strict=True)):
        pixels[place] = preprocessing.square(data, name, table, Box(*crop) if crop else None).numpy()
    return {"image_id": np.array(names, dtype=object), "face": face_numbers(rows), "image": pixels}


def streamed_columns(table: str, *, from_copies: bool) -> list[str]:
    """Return the columns of a landmark table that `decode_rows` needs.

    Args:
        table: The table, a path or URI.
        from_copies: If True, the images are the table's copies.
    """
    found = table_columns(table)
    cut = ["box", "width", "height"] if FACE in found else []
    return [*key_columns(found), "status", *([COLUMN] if from_copies else cut)]


def _has(keys: Sequence[FaceKey], key: FaceKey) -> bool:
    place = bisect_left(keys, key)
    return place < len(keys) and keys[place] == key


def collate_columns(
    columns: Mapping[str, npt.NDArray[Any]], keys: Sequence[FaceKey], targets: Targets
) -> FaceSample:
    """Return a batch made from columns of `decode_rows`, whose rows may have been reordered.

    Args:
        columns: Arrays of B rows.
        keys: Keys of all faces of the data set, sorted; a face's position is its place among them.
        targets: Targets of the data set.
    """
    found = zip(columns["image_id"].tolist(), columns["face"].tolist(), strict=True)
    positions = torch.tensor([bisect_left(keys, key) for key in found])
    return FaceSample(torch.from_numpy(columns["image"].copy()), targets_of(targets, positions), positions)
