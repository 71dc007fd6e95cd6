"""Rows of tables with one row per face: their order, their names, and the images that they belong to.

A table of all faces has the column `face`, the number of the face in its image from 0, null in the row of an
image without faces. Tables of one face per image do not have it; every function here takes both.
"""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

FACE = "face"
"""Column with the number of the face in its image."""
KEYS = ("image_id", FACE)
"""Columns by which rows are sorted and identified."""
SEPARATOR = "#"
"""Separates the path of an image from the number of a further face, as in `photo.jpg#1`."""


def key_columns(columns: Iterable[str]) -> list[str]:
    """Return those columns of a table that identify a row: `image_id`, and `face` if it has all faces."""
    return [name for name in KEYS if name in set(columns)]


def sorted_by_face(rows: pa.Table) -> pa.Table:
    """Sort rows by their image, and the rows of an image by their face."""
    return rows.sort_by([(name, "ascending") for name in key_columns(rows.column_names)])


def face_numbers(rows: pa.Table) -> npt.NDArray[np.int64]:
    """Return the number of each row's face in its image, int64 of shape (N,); 0 for an image without one."""
    if FACE not in rows.column_names:
        return np.zeros(rows.num_rows, dtype=np.int64)
    numbers: npt.NDArray[np.int64] = pc.fill_null(rows[FACE].cast(pa.int64()), 0).to_numpy()
    return numbers


def is_further_face(rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Return whether a row is of a further face of its image, not of face 0, bool of shape (N,)."""
    return face_numbers(rows) > 0


def face_names(rows: pa.Table) -> pa.ChunkedArray:
    """Return the name of each row, which no other has: `photo.jpg` for face 0, `photo.jpg#1` for face 1."""
    if FACE not in rows.column_names:
        return rows["image_id"]
    numbered = pc.binary_join_element_wise(rows["image_id"], rows[FACE].cast(pa.string()), SEPARATOR)
    return pc.if_else(pc.fill_null(pc.greater(rows[FACE], 0), False), numbered, rows["image_id"])


def image_of(name: str) -> str:
    """Return the image of a face, given the name of its row."""
    return re.sub(rf"{SEPARATOR}\d+$", "", name)


def first_rows(rows: pa.Table) -> pa.Table:
    """Return the first row of each image, given rows sorted by `image_id`."""
    if FACE not in rows.column_names or not rows.num_rows:
        return rows
    image_ids = rows["image_id"].combine_chunks()
    starts = pc.not_equal(image_ids[1:], image_ids[:-1])
    return rows.filter(pa.concat_arrays([pa.array([True]), starts]))
