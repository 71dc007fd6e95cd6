"""Rows of a landmark table that belong to a data set.

Shape letters: N rows.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from faceml.config import CROP_MARGIN
from faceml.datasets.face_columns import face_crops
from faceml.datasets.targets import TargetReader
from faceml.storage import filter_rows
from faceml.tables import (
    FACE,
    LabelCounts,
    NamedCount,
    TableSelection,
    face_names,
    folder_columns,
    is_further_face,
    landmark_column,
    table_columns,
    table_metadata_of,
)

DECODED = ("ok", "no_face")
"""Statuses of images that could be decoded."""
MOST_NAMED = 5
"""Number of images named in each count of those that are left out."""


class TableRows(NamedTuple):
    """Rows of a landmark table that belong to a data set.

    Attributes:
        selection: The rows of the table from which they are.
        table_rows: Number of all rows of the table.
        rows: N rows with `image_id`, also `face` if the table has one row per face, and the columns of
            `training_columns`.
        left_out: Numbers and first names of the other selected rows, by status or by the task that excludes
            them.
        num_excluded: Number of those that a task excludes.
        label_counts: Differences between the rows and the label table; None without one.
    """

    selection: TableSelection
    table_rows: int
    rows: pa.Table
    left_out: dict[str, NamedCount]
    num_excluded: int = 0
    label_counts: LabelCounts | None = None


def read_rows(
    selection: TableSelection,
    num_landmarks: int,
    statuses: Sequence[str],
    *,
    from_copies: bool,
    columns: Sequence[str] = (),
) -> TableRows:
    """Read the selected rows of a landmark table that have one of the given statuses.

    Args:
        selection: The table, and the rows to read.
        num_landmarks: 5 or 10.
        statuses: Statuses of the rows to take.
        from_copies: If True, the images are the table's copies.
        columns: Further columns.

    Raises:
        ConfigError: There is no usable table, it lacks a column, or no row is selected.
    """
    own = training_columns(selection.table, num_landmarks, from_copies=from_copies)
    found = selection.read([*own, *columns])
    rows = found.rows
    taken = pc.is_in(rows["status"], pa.array(statuses))
    other = rows.filter(pc.invert(taken))
    left_out = {
        status: count_faces(other.filter(pc.equal(other["status"], status)))
        for status in pc.unique(other["status"]).to_pylist()
    }
    return TableRows(
        selection, found.table_rows, filter_rows(rows, taken), left_out, label_counts=found.label_counts
    )


def read_targets(
    selection: TableSelection,
    num_landmarks: int,
    tasks: Sequence[TargetReader],
    *,
    from_copies: bool,
    is_training: bool,
    columns: Sequence[str] = (),
) -> TableRows:
    """Read the rows of decoded images with the columns of some tasks, without the rows that a task excludes.

    The folder of an image is a label of face 0, and null for further faces. Faces of a table of all faces are
    seen in the part of the image that the column `crop_box` names, which is added.

    Args:
        selection: The landmark table, and the rows to read.
        num_landmarks: 5 or 10.
        tasks: The tasks.
        from_copies: If True, the images are the table's copies.
        is_training: If True, tasks take the classes that they find from these rows.
        columns: Further columns.

    Raises:
        ConfigError: There is no usable table, or it lacks a column.
    """
    is_cut = not from_copies and has_all_faces(selection.table)
    wanted = [*(column for task in tasks for column in task.columns), *columns, *(["box"] if is_cut else [])]
    found = read_rows(selection, num_landmarks, DECODED, from_copies=from_copies, columns=wanted)
    rows, left_out, num_excluded = found.rows, dict(found.left_out), 0
    if is_cut:
        rows = rows.append_column("crop_box", face_crops(rows, crop_margin(selection.table)))
    further = pa.array(is_further_face(rows))
    folders = pc.if_else(further, pa.scalar(None, pa.string()), rows["folder"])
    rows = rows.set_column(rows.column_names.index("folder"), "folder", folders)
    for task in tasks if is_training else ():
        task.learn(rows, selection.table)
    for task in tasks:
        for reason, mask in task.excluded(rows, selection.table).items():
            left_out[reason] = count_faces(rows.filter(mask))
            rows = filter_rows(rows, pc.invert(mask))
            num_excluded += left_out[reason].number
    return found._replace(rows=rows, left_out=left_out, num_excluded=num_excluded)


def count_faces(rows: pa.Table) -> NamedCount:
    """Return the number of rows, and the first names of `face_names`."""
    return NamedCount(rows.num_rows, tuple(face_names(rows[:MOST_NAMED]).to_pylist()))


def as_selection(table: str | Path | TableSelection) -> TableSelection:
    """Return a selection as it is, and a table as the selection of all its rows."""
    return table if isinstance(table, TableSelection) else TableSelection(str(table))


def training_columns(table: str | Path, num_landmarks: int, *, from_copies: bool) -> list[str]:
    """Return the columns that training needs besides `image_id` and the pixels.

    Args:
        table: A landmark table, a path or URI.
        num_landmarks: 5 or 10.
        from_copies: If True, the images are the table's copies, which may be cropped.
    """
    columns = [*folder_columns(table), "status", "width", "height", landmark_column(num_landmarks)]
    return [*columns, *(["crop_box"] if from_copies and _copies_are_cropped(table) else [])]


def has_all_faces(table: str | Path) -> bool:
    """Return whether a table has one row per face."""
    return FACE in table_columns(table)


def crop_margin(table: str | Path) -> float:
    """Return the margin of a table's cropped copies, the default one if it has none."""
    crop = embed_settings(table).get("crop") or {}
    margin: float = crop.get("margin", CROP_MARGIN)
    return margin


def copies_are_aligned(table: str | Path) -> bool:
    """Return whether a table's copies are faces aligned to ArcFace's template."""
    return bool(embed_settings(table).get("align"))


def _copies_are_cropped(table: str | Path) -> bool:
    return bool(embed_settings(table).get("crop"))


def embed_settings(table: str | Path) -> dict[str, Any]:
    """Return the settings that a table's copies were made with; empty if there are none."""
    settings = json.loads(table_metadata_of(table)["faceml.extraction"])
    return settings.get("output", {}).get("embed") or {}
