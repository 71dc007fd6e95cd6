"""Columns of a landmark table that training reads: names, labels, landmarks.

Shape letters: N rows, L landmarks.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from faceml.config import ConfigError
from faceml.datasets.labels import EXPRESSIONS, expression_label
from faceml.images import crop_landmarks
from faceml.tables import landmark_column, read_table, table_metadata_of

DECODED = ("ok", "no_face")
"""Statuses of images that could be decoded."""


class ImageNames(Sequence[str]):
    """Sequence of image names stored in Arrow memory, a third of what Python strings need.

    Args:
        names: `image_id` of N rows.
    """

    def __init__(self, names: pa.ChunkedArray) -> None:
        self._names = pa.concat_arrays(names.chunks) if names.num_chunks else pa.array([], pa.string())

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        found: str | list[str] = (
            self._names[index].to_pylist() if isinstance(index, slice) else self._names[index].as_py()
        )
        return found


class TableRows(NamedTuple):
    """Rows of a landmark table that belong to a data set.

    Attributes:
        table: The table's path or URI.
        rows: N rows with `image_id` and the columns of `training_columns`.
        left_out: Names of the images of the other rows, by status.
    """

    table: str
    rows: pa.Table
    left_out: dict[str, list[str]]


def read_rows(
    table: str | Path, num_landmarks: int, statuses: Sequence[str], *, from_copies: bool
) -> TableRows:
    """Read the rows of a landmark table that have one of the given statuses.

    Args:
        table: The table, a path or URI.
        num_landmarks: 5 or 10.
        statuses: Statuses of the rows to take.
        from_copies: If True, the images are the table's copies.

    Raises:
        ConfigError: There is no usable table.
    """
    rows = read_table(table, training_columns(table, num_landmarks, from_copies=from_copies))
    taken = pc.is_in(rows["status"], pa.array(statuses))
    other = rows.filter(pc.invert(taken))
    left_out: dict[str, list[str]] = {}
    for status, image_id in zip(other["status"].to_pylist(), other["image_id"].to_pylist(), strict=True):
        left_out.setdefault(status, []).append(image_id)
    return TableRows(str(table), rows.filter(taken), left_out)


def read_yaw(table: str | Path) -> npt.NDArray[np.float32]:
    """Return the yaw of the head in each decoded image, NaN where no face was found.

    Returns:
        float32 of shape (N,), degrees, in the order of `image_id`.
    """
    rows = read_table(table, ["status", "yaw_deg"])
    taken = rows["yaw_deg"].filter(pc.is_in(rows["status"], pa.array(DECODED)))
    return np.asarray(taken.to_numpy(), dtype=np.float32)


def training_columns(table: str | Path, num_landmarks: int, *, from_copies: bool) -> list[str]:
    """Return the columns that training needs besides `image_id` and the pixels.

    Args:
        table: A landmark table, a path or URI.
        num_landmarks: 5 or 10.
        from_copies: If True, the images are the table's copies, which may be cropped.
    """
    columns = ["folder", "status", "width", "height", landmark_column(num_landmarks)]
    return [*columns, *(["crop_box"] if from_copies and _copies_are_cropped(table) else [])]


def expression_labels(rows: pa.Table, table: str) -> npt.NDArray[np.int64]:
    """Return the expression of each row, given by its folder, int64 of shape (N,).

    Args:
        rows: N rows with the column `folder`.
        table: The table's path or URI, for the error.

    Raises:
        ConfigError: A folder's name is no expression.
    """
    folders = pc.dictionary_encode(rows["folder"]).combine_chunks()
    names = folders.dictionary.to_pylist()
    labels = [expression_label(name) for name in names]
    unknown = sorted(name for name, label in zip(names, labels, strict=True) if label is None)
    if unknown:
        raise ConfigError(
            f"{table}: folder '{unknown[0]}' is no expression. Name folders 0 to {len(EXPRESSIONS) - 1} or "
            f"{', '.join(EXPRESSIONS)}."
        )
    places: npt.NDArray[np.int32] = folders.indices.to_numpy()
    return np.array(labels, dtype=np.int64)[places]


def person_labels(rows: pa.Table) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the people, who are the distinct folders, and the person of each row.

    Args:
        rows: N rows with the column `folder`.

    Returns:
        The people's names, sorted, and int64 of shape (N,), positions among them.
    """
    folders = rows["folder"].combine_chunks()
    people: list[str] = sorted(pc.unique(folders).to_pylist())
    positions: npt.NDArray[np.int32] = pc.index_in(folders, pa.array(people, pa.string())).to_numpy()
    return people, positions.astype(np.int64)


def has_landmarks(rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Return whether a face was found, for each row, bool of shape (N,)."""
    return np.asarray(pc.equal(rows["status"], "ok"))


def seen_landmarks(rows: pa.Table, num_landmarks: int) -> npt.NDArray[np.float32]:
    """Return landmarks relative to the image or its cropped copy, normalised; 0 where there are none.

    Args:
        rows: N rows with the columns of `training_columns`; a column `crop_box` gives the cropped part.
        num_landmarks: L.

    Returns:
        float32 of shape (N, L, 2).
    """
    column = rows[landmark_column(num_landmarks)]
    points = np.zeros((rows.num_rows, num_landmarks, 2), dtype=np.float32)
    given = np.asarray(pc.is_valid(column))
    points[given] = _flat(column).reshape(-1, num_landmarks, 2)
    if "crop_box" in rows.column_names:
        boxes = np.tile(np.array([0, 0, 1, 1], dtype=np.float32), (rows.num_rows, 1))  # null: not cropped
        boxes[np.asarray(pc.is_valid(rows["crop_box"]))] = _flat(rows["crop_box"]).reshape(-1, 4)
        points[given] = crop_landmarks(points, boxes[:, None])[given]
    return points


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


def copies_are_aligned(table: str | Path) -> bool:
    """Return whether a table's copies are faces aligned to ArcFace's template."""
    return bool(_embed_settings(table).get("align"))


def _copies_are_cropped(table: str | Path) -> bool:
    return bool(_embed_settings(table).get("crop"))


def _embed_settings(table: str | Path) -> dict[str, Any]:
    """Return the settings that a table's copies were made with; empty if there are none."""
    settings = json.loads(table_metadata_of(table)["faceml.extraction"])
    return settings.get("output", {}).get("embed") or {}
