"""Errors of located landmarks against annotated ones, and of faces that were not found.

Shape letters: N annotated faces, L landmarks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from faceml.images import Box

FAILURE_NME = 0.08
"""Normalised mean error above which a face counts as a failure; 300-W's challenge draws its curves to it."""

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LocalisationErrors:
    """Errors of N annotated faces, for each of which one face was found or none.

    Attributes:
        of_points: Distance of each landmark from the annotated one, divided by the face's normalising
            distance, of shape (N, L); NaN where no face was found.
        is_other: Whether the face that was found is another one, of shape (N,).
    """

    of_points: Values
    is_other: Mask

    @classmethod
    def of(cls, found_px: Values, annotated_px: Values, normalizers_px: Values, boxes: Sequence[Box]) -> Self:
        """Compare the landmarks of N faces.

        A face is another one if the mean of its landmarks lies outside of the square around the annotated
        points.

        Args:
            found_px: Landmarks that were found, of shape (N, L, 2); NaN without a face.
            annotated_px: Annotated landmarks, of the same shape.
            normalizers_px: Distance that normalises the errors of each face, of shape (N,).
            boxes: Box around the annotated points of each face.
        """
        distances = np.linalg.norm(found_px - annotated_px, axis=2)
        centers = found_px.mean(axis=1)
        apart = [
            max(abs(x - box.center[0]), abs(y - box.center[1])) > box.long_side / 2
            for (x, y), box in zip(centers.tolist(), boxes, strict=True)
        ]
        return cls(distances / normalizers_px[:, None], np.array(apart, dtype=bool))

    @property
    def is_missed(self) -> Mask:
        """Whether no face was found, of shape (N,)."""
        return np.asarray(np.isnan(self.of_points).any(axis=1))

    @property
    def is_matched(self) -> Mask:
        """Whether the annotated face was found, of shape (N,)."""
        return ~self.is_missed & ~self.is_other

    @property
    def of_faces(self) -> Values:
        """Normalised mean error of each face, of shape (N,); NaN where no face was found."""
        return np.asarray(self.of_points.mean(axis=1))

    @property
    def of_annotated(self) -> Values:
        """Normalised mean error of each face, of shape (N,); infinite unless the annotated face was found."""
        return np.where(self.is_matched, self.of_faces, np.inf)

    @property
    def is_failure(self) -> Mask:
        """Whether a face was not found, or with an error above `FAILURE_NME`, of shape (N,)."""
        return np.asarray(self.of_annotated > FAILURE_NME)

    @property
    def areas(self) -> Values:
        """Each face's part of the cumulative error curve up to `FAILURE_NME`, in [0, 1], of shape (N,).

        Their mean is the area under the curve divided by its width.
        """
        return np.asarray(np.maximum(0.0, 1 - self.of_annotated / FAILURE_NME))
