"""Columns of a landmark table as a training takes them: names, labels, landmarks.

Shape letters: N rows, L landmarks.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from faceml.config import ConfigError
from faceml.datasets.labels import EXPRESSIONS, expression_label
from faceml.images import crop_landmarks
from faceml.tables import landmark_column, read_table, table_metadata_of

DECODED = ("ok", "no_face")
"""Statuses of images with pixels."""


class ImageNames(Sequence[str]):
    """Hold the names of images as Arrow does, in a third of the memory that Python's strings take.

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


def read_yaw(table: str | Path) -> npt.NDArray[np.float32]:
    """Return the yaw of the head in each image with pixels, NaN where no face was found.

    Returns:
        float32 of shape (N,), in the order of `image_id`.
    """
    rows = read_table(table, ["status", "yaw_deg"])
    taken = rows["yaw_deg"].filter(pc.is_in(rows["status"], pa.array(DECODED)))
    return np.asarray(taken.to_numpy(), dtype=np.float32)


def training_columns(table: str | Path, num_landmarks: int, *, from_copies: bool) -> list[str]:
    """Name the columns that a training needs besides `image_id` and pixels.

    Args:
        table: A landmark table, a path or URI.
        num_landmarks: 5 or 10.
        from_copies: The training copies in the table are what is seen; they may show a part of each image.
    """
    columns = ["folder", "status", "width", "height", landmark_column(num_landmarks)]
    return [*columns, *(["crop_box"] if from_copies and _copies_are_cropped(table) else [])]


def expression_labels(rows: pa.Table, table: str) -> npt.NDArray[np.int64]:
    """Return the label of each row by its folder, int64 of shape (N,).

    Args:
        rows: With the column `folder`.
        table: Where they come from, for the error.

    Raises:
        ConfigError: A folder that names no expression.
    """
    folders = pc.dictionary_encode(rows["folder"]).combine_chunks()
    names = folders.dictionary.to_pylist()
    labels = [expression_label(name) for name in names]
    unknown = sorted(name for name, label in zip(names, labels, strict=True) if label is None)
    if unknown:
        raise ConfigError(
            f"{table}: folder '{unknown[0]}' names no expression. Folders are 0 to {len(EXPRESSIONS) - 1} or "
            f"{', '.join(EXPRESSIONS)}."
        )
    places: npt.NDArray[np.int32] = folders.indices.to_numpy()
    return np.array(labels, dtype=np.int64)[places]


def has_landmarks(rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Say of each row whether a face was found, bool of shape (N,)."""
    return np.asarray(pc.equal(rows["status"], "ok"))


def seen_landmarks(rows: pa.Table, num_landmarks: int) -> npt.NDArray[np.float32]:
    """Return landmarks in the picture that is seen, float32 of shape (N, L, 2), normalised; 0 where none.

    Args:
        rows: With the columns of `training_columns`; `crop_box`, if there, says which part is seen.
        num_landmarks: L.
    """
    column = rows[landmark_column(num_landmarks)]
    points = np.zeros((rows.num_rows, num_landmarks, 2), dtype=np.float32)
    given = np.asarray(pc.is_valid(column))
    points[given] = _flat(column).reshape(-1, num_landmarks, 2)
    if "crop_box" in rows.column_names:
        boxes = np.tile(np.array([0, 0, 1, 1], dtype=np.float32), (rows.num_rows, 1))  # null: the whole
        boxes[np.asarray(pc.is_valid(rows["crop_box"]))] = _flat(rows["crop_box"]).reshape(-1, 4)
        points[given] = crop_landmarks(points, boxes[:, None])[given]
    return points


def seen_sizes(rows: pa.Table) -> npt.NDArray[np.float32]:
    """Return width and height in px of the picture that is seen, float32 of shape (N, 2); NaN where unknown.

    Args:
        rows: With the columns of `training_columns`.
    """
    columns = [pc.cast(rows[name], pa.float32()).to_numpy() for name in ("width", "height")]
    sizes = np.stack(columns, axis=1)
    if "crop_box" in rows.column_names:
        given = np.asarray(pc.is_valid(rows["crop_box"]))
        boxes = _flat(rows["crop_box"]).reshape(-1, 4)
        sizes[given] *= boxes[:, 2:] - boxes[:, :2]
    return sizes


def _flat(column: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    """Return the values of a column of lists, those of null lists left out."""
    parts = [chunk.flatten().to_numpy() for chunk in column.chunks]
    return np.concatenate([np.empty(0, dtype=np.float32), *parts])


def copies_are_aligned(table: str | Path) -> bool:
    """Say whether the copies in a table show faces moved onto ArcFace's template."""
    return bool(_embed_settings(table).get("align"))


def _copies_are_cropped(table: str | Path) -> bool:
    return bool(_embed_settings(table).get("crop"))


def _embed_settings(table: str | Path) -> dict[str, Any]:
    """Return how the copies in a table were made; empty if there are none."""
    settings = json.loads(table_metadata_of(table)["faceml.extraction"])
    return settings.get("output", {}).get("embed") or {}
