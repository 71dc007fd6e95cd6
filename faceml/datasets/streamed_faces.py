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

from faceml.datasets.face_dataset import FaceSample
from faceml.datasets.image_source import ImageFiles
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.table_rows import DECODED
from faceml.datasets.targets import Targets, targets_of
from faceml.tables import COLUMN

Columns = dict[str, npt.NDArray[Any]]


def decode_rows(
    rows: pa.Table,
    table: str,
    images: ImageFiles | None,
    preprocessing: Preprocessing,
    image_ids: Sequence[str] | None = None,
) -> Columns:
    """Return the images of rows as arrays; rows that do not belong to the data set are left out.

    Args:
        rows: Rows with `image_id` and `status`, and with `image_jpeg` if there is no folder of images.
        table: The table's path or URI, for errors.
        images: The folder that was extracted; None decodes `image_jpeg`.
        preprocessing: Turns an encoded image into a square of pixels.
        image_ids: Names of all images of the data set, sorted; None if every decoded image belongs to it.

    Returns:
        `image`, uint8 of shape (B, 3, S, S), and `image_id`.

    Raises:
        StoppedError: An image has changed since extraction; names it.
    """
    rows = rows.filter(pc.is_in(rows["status"], pa.array(DECODED)))
    if image_ids is not None:
        found = [_has(image_ids, name) for name in rows["image_id"].to_pylist()]
        rows = rows.filter(pa.array(found, pa.bool_()))
    names = rows["image_id"].to_pylist()
    encoded = rows[COLUMN].to_pylist() if images is None else map(images, names)
    side = preprocessing.image_size
    pixels = np.empty((len(names), 3, side, side), dtype=np.uint8)
    for place, (name, data) in enumerate(zip(names, encoded, strict=True)):
        pixels[place] = preprocessing.square(data, name, table).numpy()
    return {"image_id": np.array(names, dtype=object), "image": pixels}


def _has(image_ids: Sequence[str], name: str) -> bool:
    place = bisect_left(image_ids, name)
    return place < len(image_ids) and image_ids[place] == name


def collate_columns(
    columns: Mapping[str, npt.NDArray[Any]], image_ids: Sequence[str], targets: Targets
) -> FaceSample:
    """Return a batch made from columns of `decode_rows`, whose rows may have been reordered.

    Args:
        columns: Arrays of B rows.
        image_ids: Names of all images of the data set, sorted; a face's position is its place among them.
        targets: Targets of the data set.
    """
    positions = torch.tensor([bisect_left(image_ids, name) for name in columns["image_id"].tolist()])
    return FaceSample(torch.from_numpy(columns["image"].copy()), targets_of(targets, positions), positions)
