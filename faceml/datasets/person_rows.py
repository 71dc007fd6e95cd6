"""Rows of data sets of people, with the points by which their faces are aligned."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from faceml.config import ConfigError
from faceml.datasets.face_columns import has_landmarks, person_labels, seen_landmarks
from faceml.datasets.face_rows import (
    distinct_text,
    face_columns,
    facts_of,
    selection_fingerprint,
    yaw_columns,
)
from faceml.datasets.table_rows import DECODED, TableRows, count_faces, read_rows
from faceml.datasets.target_columns import TASKS, target_columns
from faceml.datasets.targets import Target
from faceml.storage import RowsToMap
from faceml.tables import TableSelection, is_further_face, landmark_column

ALIGNED_BY = 5
"""Number of landmarks of the alignment template."""
POINTS = landmark_column(ALIGNED_BY)
"""Column of these landmarks."""
IDENTITY = "identity"
"""Task of face recognition."""
OTHER_FACES = "further faces of photos, of which the folder does not name the person"
FOLDERS, UNDETECTED = "folder", "undetected"
PEOPLE, AVERAGE = "people", "average"


@dataclass(frozen=True)
class PersonRows:
    """Request for the rows of images in which a face was found, or of all decoded images.

    Attributes:
        selection: The landmark table, and the rows to select.
        from_copies: Whether the images are the table's copies.
        with_undetected: Whether images in which no face was found belong to the rows.
    """

    selection: TableSelection
    from_copies: bool
    with_undetected: bool

    @property
    def table(self) -> str:
        """Path or URI of the table."""
        return self.selection.table

    def fingerprint(self) -> dict[str, Any]:
        """Return plain values that differ between requests for different rows of the same table."""
        return {
            "kind": "people",
            **selection_fingerprint(self.selection),
            "from_copies": self.from_copies,
            "with_undetected": self.with_undetected,
        }

    def read(self) -> RowsToMap:
        """Read the rows.

        Raises:
            ConfigError: There is no usable table, or no image at all has landmarks.
        """
        statuses = DECODED if self.with_undetected else DECODED[:1]
        found = _without_others(
            read_rows(
                self.selection,
                ALIGNED_BY,
                statuses,
                from_copies=self.from_copies,
                columns=yaw_columns(self.table),
            )
        )
        rows = found.rows
        people, labels = person_labels(rows)
        undetected = ~has_landmarks(rows)
        identity = Target(torch.from_numpy(labels), torch.ones(len(labels), dtype=torch.bool))
        return RowsToMap(
            face_columns(rows, from_copies=self.from_copies)
            | {
                FOLDERS: distinct_text(rows["folder"]),
                UNDETECTED: undetected,
                POINTS: seen_landmarks(rows, [POINTS]),
            }
            | target_columns({IDENTITY: identity}),
            facts_of(found)
            | {
                TASKS: [IDENTITY],
                PEOPLE: people,
                AVERAGE: _average_face(rows, self.table).tolist() if undetected.any() else None,
            },
        )


def _without_others(found: TableRows) -> TableRows:
    """Leave out the faces of other people than the one whom a folder names."""
    others = pa.array(is_further_face(found.rows))
    count = count_faces(found.rows.filter(others))
    left_out = found.left_out | ({OTHER_FACES: count} if count.number else {})
    return found._replace(rows=found.rows.filter(pc.invert(others)), left_out=left_out)


def _average_face(rows: pa.Table, table: str) -> npt.NDArray[np.float64]:
    """Return the mean landmarks of whole images, float64 of shape (5, 2).

    Raises:
        ConfigError: No image has landmarks.
    """
    whole = rows.select([name for name in rows.column_names if name != "crop_box"])
    detected = has_landmarks(rows)
    if not detected.any():
        raise ConfigError(f"{table}: no image has landmarks. Faces cannot be aligned.")
    mean: npt.NDArray[np.float64] = seen_landmarks(whole, [POINTS])[detected].mean(axis=0, dtype=np.float64)
    return mean
