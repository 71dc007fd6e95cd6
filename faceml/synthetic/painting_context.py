"""Context shared by the painters of all parts of a face, and mixing of colours."""

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
class PaintingContext:
    """The canvas, and what is painted on it: person, expression, scene and textures."""

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
        """Project points of shape (N, 2) on the face to the image."""
        return self.head.project(on_face(points, lift))

    def brush(
        self, line: Points, half_width: float, color: Color, alpha: float = 1.0, lift: float = 0.0
    ) -> None:
        """Paint a stroke tapered at both ends along a line of shape (N, 2) on the face."""
        self.canvas.fill(self.on_skin(stroke(line, half_width * taper(len(line))), lift), color, alpha)


def mix(first: Color, second: Color, share: float) -> Color:
    """Mix two colours; `share` is that of `second`, from 0 to 1."""
    red, green, blue = (1.0 - share) * np.asarray(first) + share * np.asarray(second)
    return float(red), float(green), float(blue)


def scale(color: Color, factor: float) -> Color:
    """Darken (factor below 1) or lighten a colour."""
    red, green, blue = np.clip(np.asarray(color) * factor, 0.0, 255.0)
    return float(red), float(green), float(blue)
