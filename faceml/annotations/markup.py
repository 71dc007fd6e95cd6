"""Mark-ups of annotated faces: their points, and those of faceml's landmark sets among them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

Points = tuple[tuple[int, ...], ...]
"""Annotated points whose mean is a landmark, for each landmark of a set."""


class PixelOrigin(NamedTuple):
    """Convention of coordinates.

    Attributes:
        first_px: Coordinate of the centre of the first pixel.
        reason: Source of the convention, to go on from a semicolon.
    """

    first_px: int
    reason: str

    @property
    def offset_px(self) -> float:
        """What is added to a coordinate for the distance from the image's left or upper edge."""
        return 0.5 - self.first_px


@dataclass(frozen=True)
class Markup:
    """The points that annotators marked on each face.

    Attributes:
        name: Name of the data set that introduced it.
        num_points: Number A of points of a face.
        origin: Convention of the coordinates.
        landmarks: The points of each landmark, numbered from 0, by the number of landmarks of the set.
        eyes: Points whose distance normalises errors.
        normalizer: Name of this distance.
    """

    name: str
    num_points: int
    origin: PixelOrigin
    landmarks: Mapping[int, Points]
    eyes: tuple[int, int]
    normalizer: str
