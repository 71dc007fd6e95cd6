"""Landmarks that were found in annotated images.

Shape letters: N annotated faces, L landmarks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from faceml.tables import LANDMARK_SETS, landmark_column, read_table

EVALUATED = ("ok", "no_face", "crashed", "timed_out")
"""Statuses of images in which a face was found, or could have been."""

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LocatedFaces:
    """The face that was found for each of N annotated faces, or none.

    Attributes:
        landmarks: Landmarks by their number, of shape (N, L, 2), fractions of the image's width and height;
            NaN where no face was found.
        sizes_px: Width and height of the images, of shape (N, 2); NaN where unknown.
        yaw_deg: Yaw of the faces, of shape (N,), degrees; NaN where no face was found.
        statuses: Status of each face's image.
    """

    landmarks: Mapping[int, Values]
    sizes_px: Values
    yaw_deg: Values
    statuses: tuple[str, ...]

    def landmarks_px(self, num_landmarks: int) -> Values:
        """Return the landmarks of a set in px, of shape (N, L, 2)."""
        return self.landmarks[num_landmarks] * self.sizes_px[:, None]

    @property
    def is_evaluated(self) -> Mask:
        """Whether a face was found in the image, or could have been, of shape (N,)."""
        return np.array([status in EVALUATED for status in self.statuses], dtype=bool)

    def take(self, which: Mask) -> Self:
        """Return the faces at which a mask of shape (N,) is true."""
        return replace(
            self,
            landmarks={number: points[which] for number, points in self.landmarks.items()},
            sizes_px=self.sizes_px[which],
            yaw_deg=self.yaw_deg[which],
            statuses=tuple(status for status, taken in zip(self.statuses, which, strict=True) if taken),
        )


def read_located_faces(rows: pa.Table, image_ids: Sequence[str]) -> LocatedFaces:
    """Return the faces of a landmark table in given images.

    Args:
        rows: Rows of `read_located_rows`.
        image_ids: Image of each of N annotated faces, a row of the table.
    """
    places = pc.index_in(pa.array(image_ids, pa.string()), rows["image_id"].combine_chunks())
    found = rows.take(places)
    landmarks = {
        number: np.array(
            [points or [np.nan] * 2 * number for points in found[landmark_column(number)].to_pylist()]
        ).reshape(-1, number, 2)
        for number in LANDMARK_SETS
    }
    return LocatedFaces(
        landmarks=landmarks,
        sizes_px=np.stack([_numbers(found[side]) for side in ("width", "height")], axis=1),
        yaw_deg=_numbers(found["yaw_deg"]),
        statuses=tuple(found["status"].to_pylist()),
    )


def read_located_rows(table: str) -> pa.Table:
    """Read the columns of a landmark table that `read_located_faces` needs.

    Raises:
        ConfigError: There is no usable table.
    """
    return read_table(table, ["status", "width", "height", "yaw_deg", *map(landmark_column, LANDMARK_SETS)])


def _numbers(column: pa.ChunkedArray) -> Values:
    return np.array(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
