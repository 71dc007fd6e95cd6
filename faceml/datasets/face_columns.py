"""Columns of a landmark table as arrays: people, landmarks, numbers.

Shape letters: N rows, L landmarks.
"""

from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from faceml.config import ConfigError
from faceml.images import Box, crop_landmarks
from faceml.tables import qualified_folders

FaceKey = tuple[str, int]
"""`image_id` of a face, and its number in the image."""


class FaceKeys(Sequence[FaceKey]):
    """Sequence of the keys of faces, sorted as the rows of a table are.

    Args:
        image_ids: `image_id` of N faces.
        numbers: Number of each face in its image, int64 of shape (N,); None if all are face 0.
    """

    def __init__(self, image_ids: Sequence[str], numbers: npt.NDArray[np.int64] | None) -> None:
        self._image_ids, self._numbers = image_ids, numbers

    def __len__(self) -> int:
        return len(self._image_ids)

    @overload
    def __getitem__(self, index: int) -> FaceKey: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[FaceKey]: ...
    def __getitem__(self, index: int | slice) -> FaceKey | Sequence[FaceKey]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return self._image_ids[index], 0 if self._numbers is None else int(self._numbers[index])


def person_labels(rows: pa.Table) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the people, who are the distinct folders of each source, and the person of each row.

    Args:
        rows: N rows with the column `folder`, and with `source` if the table has several.

    Returns:
        The people's names, sorted, and int64 of shape (N,), positions among them.
    """
    folders = qualified_folders(rows).combine_chunks()
    people: list[str] = sorted(pc.unique(folders).to_pylist())
    positions: npt.NDArray[np.int32] = pc.index_in(folders, pa.array(people, pa.string())).to_numpy()
    return people, positions.astype(np.int64)


def has_landmarks(rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Return whether a face was found, for each row, bool of shape (N,)."""
    return np.asarray(pc.equal(rows["status"], "ok"))


def seen_landmarks(rows: pa.Table, columns: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return landmarks relative to the image or its cropped copy, normalised; 0 where there are none.

    Args:
        rows: N rows; a column `crop_box` gives the cropped part.
        columns: Columns of landmarks, such as `landmarks_5`, or `mesh_33` and `mesh_263`; L points in all.

    Returns:
        float32 of shape (N, L, 2).
    """
    given = np.asarray(pc.is_valid(rows[columns[0]]))
    found = [_flat(rows[column]).reshape(-1, rows[column].type.list_size // 2, 2) for column in columns]
    points = np.zeros((rows.num_rows, sum(part.shape[1] for part in found), 2), dtype=np.float32)
    points[given] = np.concatenate(found, axis=1)
    if "crop_box" in rows.column_names:
        boxes = np.tile(np.array([0, 0, 1, 1], dtype=np.float32), (rows.num_rows, 1))  # null: not cropped
        boxes[np.asarray(pc.is_valid(rows["crop_box"]))] = _flat(rows["crop_box"]).reshape(-1, 4)
        points[given] = crop_landmarks(points, boxes[:, None])[given]
    return points


def face_crops(rows: pa.Table, margin: float) -> pa.Array:
    """Return the part of the image that shows each face: a square around its mesh, as in cropped copies.

    Args:
        rows: N rows with `box`, `width` and `height`.
        margin: Margin on each side, as a fraction of the longer side of the mesh's bounding box.

    Returns:
        N lists of left, top, right and bottom, float32, fractions of width and height; null without a face.
    """
    sizes = zip(rows["width"].to_pylist(), rows["height"].to_pylist(), strict=True)
    crops = [
        box and list(Box(*box).to_px(*size).square(margin).normalize(*size).corners)
        for box, size in zip(rows["box"].to_pylist(), sizes, strict=True)
    ]
    return pa.array(crops, pa.list_(pa.float32(), 4))


def seen_sizes(rows: pa.Table) -> npt.NDArray[np.float32]:
    """Return width and height of the image or its cropped copy, px; NaN where unknown.

    Args:
        rows: N rows with the columns of `training_columns`.

    Returns:
        float32 of shape (N, 2).
    """
    columns = [pc.cast(rows[name], pa.float32()).to_numpy() for name in ("width", "height")]
    sizes = np.stack(columns, axis=1)
    if "crop_box" in rows.column_names:
        given = np.asarray(pc.is_valid(rows["crop_box"]))
        boxes = _flat(rows["crop_box"]).reshape(-1, 4)
        sizes[given] *= boxes[:, 2:] - boxes[:, :2]
    return sizes


def _flat(column: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    """Return the concatenated values of a column of lists; null lists contribute none."""
    parts = [chunk.flatten().to_numpy() for chunk in column.chunks]
    return np.concatenate([np.empty(0, dtype=np.float32), *parts])


def is_list(kind: pa.DataType) -> bool:
    """Return whether a column of this type has a list of values in each row."""
    return bool(pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind))


def number_columns(rows: pa.Table, columns: Sequence[str], setting: str) -> npt.NDArray[np.float64]:
    """Return columns of numbers or booleans; NaN where there is no value.

    Args:
        rows: N rows.
        columns: Names of K columns.
        setting: Key that names the columns, for errors.

    Returns:
        float64 of shape (N, K).

    Raises:
        ConfigError: A column has other values.
    """
    return np.column_stack([_numbers(rows[name], f"{setting}: column {name}") for name in columns])


def number_lists(rows: pa.Table, name: str, setting: str) -> npt.NDArray[np.float64] | None:
    """Return a column of lists of numbers; NaN where there is no value.

    Args:
        rows: N rows.
        name: Name of the column.
        setting: Key that names the column, for errors.

    Returns:
        float64 of shape (N, K); None if all lists are null.

    Raises:
        ConfigError: The lists have other values, or not the same length.
    """
    column = rows[name].drop_null()
    if not len(column):
        return None
    lengths = pc.min_max(pc.list_value_length(column)).as_py()
    if lengths["min"] != lengths["max"]:
        raise ConfigError(
            f"{setting}: column {name} has lists of {lengths['min']} to {lengths['max']} values. Give "
            "all the same length."
        )
    values = np.full((rows.num_rows, lengths["max"]), np.nan)
    given = _numbers(pc.list_flatten(column), f"{setting}: column {name}")
    values[np.asarray(pc.is_valid(rows[name]))] = given.reshape(len(column), -1)
    return values


def _numbers(column: pa.ChunkedArray, where: str) -> npt.NDArray[np.float64]:
    kind = column.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not (is_number or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise ConfigError(f"{where} has values of type {kind}; numbers are needed.")
    numbers = column.cast(pa.int8()) if pa.types.is_boolean(kind) else column
    values: npt.NDArray[np.float64] = numbers.cast(pa.float64(), safe=False).to_numpy()
    return values
