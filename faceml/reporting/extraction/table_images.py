"""Images of selected rows of a landmark table, from files or from copies in the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from faceml.datasets import ImageFiles
from faceml.images import RgbImage, crop_landmarks, decode_reduced
from faceml.storage import StorageFolder
from faceml.tables import FACE, TableScan, face_names, image_of, key_columns, read_shard_schema, shard_names

LONG_SIDE_PX = 1024
"""Longer side from which photos are decoded at a reduced size."""


@dataclass(frozen=True)
class TableImage:
    """An image, or the copy of its face in a table.

    Attributes:
        pixels: uint8 of shape (H, W, 3).
        box: float32 of shape (4,), region of the whole image that `pixels` show: x0, y0, x1, y1 as fractions
            of its width and height.
    """

    pixels: RgbImage
    box: npt.NDArray[np.float32]

    def place(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Convert landmarks from fractions of the whole image to fractions of `pixels`, shape (L, 2)."""
        return crop_landmarks(points, self.box).astype(np.float32)

    def close_up(self, points: npt.NDArray[np.floating]) -> "TableImage":
        """Crop the image to a square around landmarks, twice as long as their bounding box.

        Args:
            points: Landmarks of shape (L, 2), fractions of the whole image.
        """
        size = np.array(self.pixels.shape[1::-1])
        points_px = self.place(points) * size
        centre = np.clip(points_px.mean(axis=0), 0, size - 1)
        reach = max(1.0, float(np.ptp(points_px, axis=0).max()))
        side = np.minimum(2 * reach, size)
        start = np.clip(centre - side / 2, 0, size - side).astype(int)
        stop = np.minimum(size, np.ceil(start + side)).astype(int)
        corner, extent = self.box[:2], self.box[2:] - self.box[:2]
        box = np.concatenate([corner + start / size * extent, corner + stop / size * extent])
        return TableImage(self.pixels[start[1] : stop[1], start[0] : stop[0]], box.astype(np.float32))


WHOLE_IMAGE = np.array([0, 0, 1, 1], dtype=np.float32)


def read_images(
    table: str | Path, images: ImageFiles | None, names: Sequence[str]
) -> list[TableImage | None]:
    """Read images that could be decoded when the table was made.

    Args:
        table: Landmark table, a path or URI.
        images: The folder that was extracted; None reads the copies in the table.
        names: Names of rows of the table, see `face_names`.

    Returns:
        Images in the same order; None for a file that no longer exists.

    Raises:
        ConfigError: There is neither a folder nor copies in the table.
    """
    if images is None:
        boxes = ["crop_box"] if "crop_box" in column_names(table) else []
        rows = read_rows(table, names, ["image_jpeg", *boxes])
        return [decode_shown(row["image_jpeg"], row.get("crop_box")) for row in rows]
    if not images.exists():
        return [None] * len(names)
    image_ids = map(image_of, names) if FACE in column_names(table) else names
    return [decode_shown(images(image_id)) for image_id in image_ids]


def read_rows(table: str | Path, names: Sequence[str], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Read the given rows of a table without loading others.

    Args:
        table: Landmark table, a path or URI.
        names: Names of the rows to read, see `face_names`; all exist.
        columns: Columns to read beside `image_id` and `face`.

    Returns:
        Rows in the order of `names`.

    Raises:
        ConfigError: The table lacks a column.
    """
    found = column_names(table)
    wanted = set(map(image_of, names)) if FACE in found else set(names)
    rows = pa.table(TableScan(table, list(dict.fromkeys([*key_columns(found), *columns])), image_ids=wanted))
    by_name = dict(zip(face_names(rows).to_pylist(), rows.to_pylist(), strict=True))
    return [by_name[name] for name in names]


def column_names(table: str | Path) -> list[str]:
    """Return the column names of a table, empty if it does not exist."""
    folder = StorageFolder(table)
    return [column for shard in shard_names(folder)[:1] for column in read_shard_schema(folder, shard).names]


def decode_shown(data: bytes | None, box: list[float] | None = None) -> TableImage | None:
    """Decode an image for a report at a sufficient size; None for a missing or broken file.

    Args:
        data: The encoded image.
        box: Region of the whole image that it shows; by default all of it.
    """
    decoded = decode_reduced(data or b"", long_side_px=LONG_SIDE_PX)
    if isinstance(decoded, str):
        return None
    return TableImage(decoded.pixels, WHOLE_IMAGE if box is None else np.array(box, dtype=np.float32))
