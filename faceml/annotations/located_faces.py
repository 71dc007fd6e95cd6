"""Landmarks that were found in annotated images.

Shape letters: N annotated faces, L landmarks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from faceml.annotations.annotated_faces import AnnotatedFaces
from faceml.images import Box
from faceml.tables import FACE, LANDMARK_SETS, landmark_column, read_table, table_columns

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


def read_located_faces(rows: pa.Table, annotated: AnnotatedFaces) -> LocatedFaces:
    """Return the faces of a landmark table at annotated faces; of several in an image, the nearest one.

    Args:
        rows: Rows of `read_located_rows`.
        annotated: N annotated faces, in images of the table.
    """
    found = rows.take(_nearest_rows(rows, annotated))
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


def _nearest_rows(rows: pa.Table, annotated: AnnotatedFaces) -> npt.NDArray[np.int64]:
    """Return the row of each annotated face: of those of its image, the one with the nearest centre."""
    image_ids = rows["image_id"].combine_chunks()
    places = pc.index_in(pa.array(annotated.images, pa.string()), image_ids)
    first: npt.NDArray[np.int64] = places.to_numpy().astype(np.int64)
    if "box" not in rows.column_names:
        return first
    several = pc.value_counts(image_ids)  # in the order of the rows
    counts = dict(zip(several.field(0).to_pylist(), several.field(1).to_pylist(), strict=True))
    nearest = first.copy()
    for face, (image, place, wanted) in enumerate(zip(annotated.images, first, annotated.boxes, strict=True)):
        found = rows.slice(place, counts[image])
        if counts[image] > 1:
            sizes = zip(found["width"].to_pylist(), found["height"].to_pylist(), strict=True)
            boxes = zip(found["box"].to_pylist(), sizes, strict=True)
            nearest[face] += np.argmin(
                [math.dist(Box(*box).to_px(*size).center, wanted.center) for box, size in boxes]
            )
    return nearest


def read_located_rows(table: str) -> pa.Table:
    """Read the columns of a landmark table that `read_located_faces` needs.

    Raises:
        ConfigError: There is no usable table.
    """
    boxes = ["box"] if FACE in table_columns(table) else []
    landmarks = [landmark_column(number) for number in LANDMARK_SETS]
    return read_table(table, ["status", "width", "height", "yaw_deg", *landmarks, *boxes])


def _numbers(column: pa.ChunkedArray) -> Values:
    return np.array(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
