"""What every painter of a part of the portrait needs at hand."""

from dataclasses import dataclass

import numpy as np

from faceml.images import RgbImage
from faceml.synthetic.anatomy import Face
from faceml.synthetic.canvas import Canvas
from faceml.synthetic.expression import Expression
from faceml.synthetic.geometry import PointList, Points, on_face, stroke, taper
from faceml.synthetic.person import Color, Person
from faceml.synthetic.scene import Scene, View


@dataclass(frozen=True)
class Sitting:
    """A person sitting for a portrait, and the canvas."""

    canvas: Canvas
    person: Person
    expression: Expression
    face: Face
    scene: Scene
    head: View
    body: View
    skin: RgbImage
    hair: RgbImage

    def on_skin(self, points: PointList, lift: float = 0.0) -> Points:
        """Project points of shape (N, 2) that lie on the face."""
        return self.head.project(on_face(points, lift))

    def brush(
        self, line: Points, half_width: float, color: Color, alpha: float = 1.0, lift: float = 0.0
    ) -> None:
        """Paint a stroke that tapers at both ends along a line of shape (N, 2) on the face."""
        self.canvas.fill(self.on_skin(stroke(line, half_width * taper(len(line))), lift), color, alpha)


def mix(first: Color, second: Color, share: float) -> Color:
    """Return `first` with a share of `second`, from 0 to 1."""
    red, green, blue = (1.0 - share) * np.asarray(first) + share * np.asarray(second)
    return float(red), float(green), float(blue)


def scale(color: Color, factor: float) -> Color:
    """Return a darker (below 1) or lighter colour."""
    red, green, blue = np.clip(np.asarray(color) * factor, 0.0, 255.0)
    return float(red), float(green), float(blue)
