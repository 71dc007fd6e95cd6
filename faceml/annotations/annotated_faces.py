"""Annotated faces with their points in px.

Shape letters: N faces, A annotated points, L landmarks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from faceml.annotations.markup import Markup
from faceml.config import ConfigError
from faceml.errors import translate_errors
from faceml.images import Box


class AnnotatedFace(NamedTuple):
    """A face as a file of annotations has it.

    Attributes:
        source: File, and line, for errors.
        image: Path of the image below the images' folder, or this path without its extension.
        coordinates: x and y of each point in turn, as written.
    """

    source: str
    image: str
    coordinates: Sequence[str]


@dataclass(frozen=True)
class AnnotatedFaces:
    """Faces of a data set, several of which may be in one image.

    Attributes:
        markup: The annotated points.
        images: Path of each face's image below the images' folder, or this path without its extension.
        points_px: float64 of shape (N, A, 2), distances from the image's left and upper edge.
    """

    markup: Markup
    images: tuple[str, ...]
    points_px: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def of(cls, markup: Markup, faces: Iterable[AnnotatedFace]) -> Self:
        """Convert the coordinates of faces.

        Raises:
            ConfigError: A coordinate is no finite number, or both eyes of a face are at one place.
        """
        given = list(faces)
        points = np.array([_numbers(face) for face in given]).reshape(-1, markup.num_points, 2)
        found = cls(markup, tuple(face.image for face in given), points + markup.origin.offset_px)
        for number in np.flatnonzero(found.normalizers_px == 0)[:1]:
            raise ConfigError(
                f"annotations: {given[number].source}: both eyes are at one place, so that errors have no "
                "unit. Correct it or remove it."
            )
        return found

    def take(self, which: npt.NDArray[np.bool_]) -> Self:
        """Return the faces at which a mask of shape (N,) is true."""
        images = tuple(name for name, taken in zip(self.images, which, strict=True) if taken)
        return replace(self, images=images, points_px=self.points_px[which])

    def landmarks_px(self, num_landmarks: int) -> npt.NDArray[np.float64]:
        """Return the landmarks of a set that the mark-up has, of shape (N, L, 2)."""
        points = self.markup.landmarks[num_landmarks]
        return np.stack([self.points_px[:, list(parts)].mean(axis=1) for parts in points], axis=1)

    @property
    def normalizers_px(self) -> npt.NDArray[np.float64]:
        """Distance of each face that errors are divided by, of shape (N,)."""
        one, other = (self.points_px[:, point] for point in self.markup.eyes)
        return np.asarray(np.linalg.norm(one - other, axis=1))

    @property
    def boxes(self) -> list[Box]:
        """Smallest box around the annotated points of each face, in px."""
        return list(map(Box.around, self.points_px))


def _numbers(face: AnnotatedFace) -> list[float]:
    wrong = ConfigError(
        f"annotations: {face.source}: has a coordinate that is no finite number. Correct it or remove it."
    )
    with translate_errors(ValueError, lambda _: wrong, keep_cause=False):
        numbers = [float(word) for word in face.coordinates]
    if not np.isfinite(numbers).all():
        raise wrong
    return numbers
