"""Rows of data sets of faces, with the targets of tasks.

Shape letters: N rows.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from faceml.datasets.face_columns import has_landmarks, seen_landmarks, seen_sizes
from faceml.datasets.table_rows import TableRows, count_faces, read_targets
from faceml.datasets.target_columns import TASKS, target_columns
from faceml.datasets.targets import TargetReader
from faceml.images import Framing
from faceml.storage import Column, RowsToMap
from faceml.tables import (
    FACE,
    TableSelection,
    face_names,
    face_numbers,
    is_further_face,
    label_version,
    landmark_column,
    table_columns,
)

IMAGES, NAMES, SOURCES = "image_id", "name", "source"
"""Columns of text: the images; names of their faces if the table has all faces, see `face_names`; and sources
of the images if there are several."""
DETECTED, YAW = "has_landmarks", "yaw_deg"
CROPS = "crop"
"""Part of the image that shows the face, of shape (N, 4), see `face_crops`; NaN for the whole image."""
LEARNED, FRAMING, FURTHER, LABEL_COUNTS = "learned", "framing", "further_faces", "label_counts"


@dataclass(frozen=True)
class FaceRows:
    """Request for the rows of decoded images that no task excludes.

    Attributes:
        selection: The landmark table, and the rows to select.
        num_landmarks: 5 or 10, the points by which the location of faces is known.
        tasks: Tasks whose targets are read.
        from_copies: Whether the images are the table's copies.
        is_training: Whether tasks take the classes that they find from these rows.
    """

    selection: TableSelection
    num_landmarks: int
    tasks: Sequence[TargetReader]
    from_copies: bool
    is_training: bool

    @property
    def table(self) -> str:
        """Path or URI of the table."""
        return self.selection.table

    def fingerprint(self) -> dict[str, Any]:
        """Return plain values that differ between requests for different rows of the same table."""
        return {
            "kind": "faces",
            **selection_fingerprint(self.selection),
            "num_landmarks": self.num_landmarks,
            "from_copies": self.from_copies,
            "is_training": self.is_training,
            "tasks": [
                [task.name, task.fingerprint(), None if self.is_training else task.learned()]
                for task in self.tasks
            ],
        }

    def read(self) -> RowsToMap:
        """Read the rows.

        Raises:
            ConfigError: There is no usable table, it lacks a column, or a value cannot be a target.
        """
        found = read_targets(
            self.selection,
            self.num_landmarks,
            self.tasks,
            from_copies=self.from_copies,
            is_training=self.is_training,
            columns=yaw_columns(self.table),
        )
        rows = found.rows
        targets = {task.name: task.read(rows, self.table) for task in self.tasks}
        framing = self._framing(rows)
        counts = found.label_counts
        return RowsToMap(
            face_columns(rows, from_copies=self.from_copies)
            | {DETECTED: has_landmarks(rows)}
            | target_columns(targets),
            facts_of(found)
            | {
                TASKS: list(targets),
                LEARNED: {task.name: task.learned() for task in self.tasks},
                FRAMING: None if framing is None else framing.as_plain(),
                FURTHER: asdict(count_faces(rows.filter(pa.array(is_further_face(rows))))),
                LABEL_COUNTS: None if counts is None else asdict(counts),
            },
        )

    def _framing(self, rows: pa.Table) -> Framing | None:
        """Return the location of faces in their images; None if there are no landmarks."""
        found = has_landmarks(rows)
        if not found.any():
            return None
        points = seen_landmarks(rows, [landmark_column(self.num_landmarks)])
        return Framing.of(points[found], seen_sizes(rows)[found])


def selection_fingerprint(selection: TableSelection) -> dict[str, Any]:
    """Return plain values that differ between selections of different rows or labels."""
    labels = selection.labels
    return {
        "where": {column: list(values) for column, values in selection.where.items()},
        "labels": None if labels is None else [labels.place, labels.key, label_version(labels.place)],
    }


def face_columns(rows: pa.Table, *, from_copies: bool) -> dict[str, Column]:
    """Return the columns of image, name, number and source of the faces, their yaw, and where they are seen.

    Args:
        rows: N rows.
        from_copies: Whether the images are the table's copies, which are cropped already.
    """
    found: dict[str, Column] = {IMAGES: _text(rows["image_id"]), YAW: _yaw(rows)}
    if FACE in rows.column_names:
        found |= {NAMES: _text(face_names(rows)), FACE: face_numbers(rows)}
    if SOURCES in rows.column_names:
        found[SOURCES] = distinct_text(rows[SOURCES])
    if "crop_box" in rows.column_names and not from_copies:
        crops = np.full((rows.num_rows, 4), np.nan, dtype=np.float32)
        given = rows["crop_box"].combine_chunks()
        crops[given.is_valid().to_numpy(zero_copy_only=False)] = given.flatten().to_numpy().reshape(-1, 4)
        found[CROPS] = crops
    return found


def _text(column: pa.ChunkedArray) -> pa.Array:
    return column.cast(pa.large_string()).combine_chunks()


def distinct_text(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Return a column of text as positions among its distinct values."""
    return column.dictionary_encode().combine_chunks()


def facts_of(found: TableRows) -> dict[str, Any]:
    """Return the numbers of the table's rows, and of those that were left out."""
    return {
        "table_rows": found.table_rows,
        "left_out": {reason: asdict(count) for reason, count in found.left_out.items()},
        "num_excluded": found.num_excluded,
    }


def yaw_columns(table: str) -> list[str]:
    """Return the column of the yaw, if the table has it."""
    return [YAW] if YAW in table_columns(table) else []


def _yaw(rows: pa.Table) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the yaw of the head, degrees; NaN where it is not known."""
    if YAW not in rows.column_names:
        return np.full(rows.num_rows, np.nan, dtype=np.float32)
    return np.asarray(rows[YAW].to_numpy(), dtype=np.float32)
