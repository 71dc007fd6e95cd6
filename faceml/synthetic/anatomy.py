"""Geometry of a face with an expression: curves and landmarks in face units."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from faceml.synthetic.expression import Expression
from faceml.synthetic.geometry import Points, on_face, smooth
from faceml.synthetic.person import Person

# Height of the nose above the head's ellipsoid: at its tip, its base and its wings. On an adult the tip
# stands about 20 mm in front of the cheeks, a third of the distance between the eyes.
NOSE_TIP_LIFT, NOSE_BASE_LIFT, NOSE_WING_LIFT = 0.34, 0.16, 0.12
_MOUTH_LIFT = 0.06
_X = np.linspace(-1.0, 1.0, 41)


@dataclass(frozen=True)
class Eye:
    """One eye. Curves run from the inner to the outer corner.

    Attributes:
        upper_lid: Shape (N, 2).
        lower_lid: Shape (N, 2); its ends are the upper lid's.
        crease: Fold above the upper lid, shape (N, 2).
        iris: Centre, shape (2,).
    """

    upper_lid: Points
    lower_lid: Points
    crease: Points
    iris: Points


@dataclass(frozen=True)
class Mouth:
    """The lips. All curves have shape (N, 2), run from the left to the right corner and share those ends."""

    upper_edge: Points
    upper_inner: Points
    lower_inner: Points
    lower_edge: Points


@dataclass(frozen=True)
class Nose:
    """The nose: half width and height of the wings, tip and base; points of shape (2,)."""

    half_width: float
    wing_y: float
    tip: Points
    base: Points


@dataclass(frozen=True)
class Face:
    """A whole face. `outline` has shape (N, 3); brows are centre lines from their inner ends outwards."""

    outline: Points
    eyes: tuple[Eye, Eye]
    brows: tuple[Points, Points]
    nose: Nose
    mouth: Mouth
    chin_y: float

    def landmarks(self) -> Points:
        """Return the 10-point landmark set on the head, float64 of shape (10, 3)."""
        left, right = self.eyes
        eyes = [left.upper_lid[-1], left.upper_lid[0], right.upper_lid[0], right.upper_lid[-1]]
        middle = len(_X) // 2
        mouth = self.mouth
        lips = [mouth.upper_edge[0], mouth.upper_edge[-1], mouth.upper_edge[middle], mouth.lower_edge[middle]]
        return np.vstack(
            [
                on_face(eyes),
                on_face([self.nose.tip], NOSE_TIP_LIFT),
                on_face([self.nose.base], NOSE_BASE_LIFT),
                on_mouth(np.array(lips)),
            ]
        )


def on_mouth(points: Points) -> Points:
    """Project points of shape (N, 2) onto the lips, slightly in front of the head's ellipsoid."""
    return on_face(points, _MOUTH_LIFT)


def shape_face(person: Person, expression: Expression) -> Face:
    """Return the geometry of a person's face with an expression."""
    nose = _nose(person, expression)
    mouth = _mouth(person, expression)
    chin_y = person.face_length + 0.16 * expression.mouth_open
    return Face(
        outline=_outline(person, chin_y),
        eyes=(_eye(person, expression, -1.0), _eye(person, expression, 1.0)),
        brows=(_brow(person, expression, -1.0), _brow(person, expression, 1.0)),
        nose=nose,
        mouth=mouth,
        chin_y=chin_y,
    )


def _outline(person: Person, chin_y: float) -> Points:
    cheek, jaw, chin = person.cheek_half_width, person.jaw_half_width, person.chin_half_width
    top = -person.forehead_height - 0.62
    # x, y, depth: the crown and the sides are the silhouette, the chin lies in front of it.
    right = [
        (0.46 * cheek, top + 0.075, 0.0),
        (0.82 * cheek, top + 0.42, 0.0),
        (0.97 * cheek, -0.50, 0.0),
        (cheek, 0.15, 0.0),
        (0.5 * (cheek + jaw), 0.48 * chin_y, 0.05),
        (jaw, 0.67 * chin_y, 0.12),
        (0.5 * (jaw + chin) + 0.03, 0.86 * chin_y, 0.28),
        (chin, 0.985 * chin_y, 0.45),
    ]
    left = [(-x, y, z) for x, y, z in reversed(right)]
    return smooth([(0.0, top, 0.0), *right, (0.0, chin_y + 0.01, 0.5), *left], closed=True)


def _eye(person: Person, expression: Expression, side: float) -> Eye:
    t = np.linspace(0.0, 1.0, 21)
    bell = 4.0 * t * (1.0 - t)
    center, half = person.eye_half_distance, person.eye_width / 2.0
    x = side * (center - half + 2.0 * half * t)
    corner_line = 0.02 - (0.02 + person.eye_slant) * t
    squint = 0.35 * max(expression.cheek_raise, 0.0) + 0.25 * max(expression.brow_lower, 0.0) * (
        1.0 - max(expression.lid_raise, 0.0)
    )
    upper = person.eye_height * max(1.0 + 0.55 * expression.lid_raise - 0.45 * squint, 0.22)
    lower = (
        0.55
        * person.eye_height
        * float(np.clip(1.0 - 0.85 * expression.cheek_raise + 0.25 * expression.lid_raise, 0.1, 1.4))
    )
    # The upper lid peaks nearer the nose than the lower one sags.
    upper_bell, lower_bell = (4.0 * t**0.9 * (1.0 - t**0.9)) ** 0.7, (4.0 * t**1.2 * (1.0 - t**1.2)) ** 0.75
    upper_lid = np.stack([x, corner_line - upper * upper_bell], axis=1)
    lower_lid = np.stack([x, corner_line + lower * lower_bell], axis=1)
    crease_y = corner_line - 0.012 - (0.55 * upper + 0.45 * person.eye_height + 0.045) * bell**0.6
    iris = np.array(
        [
            side * center + 0.07 * expression.gaze_x,
            -0.35 * person.eye_height - 0.5 * person.eye_slant + 0.05 * expression.gaze_y,
        ]
    )
    return Eye(upper_lid, lower_lid, np.stack([x, crease_y], axis=1), iris)


def _brow(person: Person, expression: Expression, side: float) -> Points:
    t = np.linspace(0.0, 1.0, 4)
    center = person.eye_half_distance
    raise_, inner, lower = expression.brow_raise, expression.brow_inner_raise, expression.brow_lower
    x = center + np.array([-0.29, -0.10, 0.16, 0.36]) - 0.07 * max(lower, 0.0) * (1.0 - t)
    y = -person.brow_height + person.brow_arch * np.array([0.45, -0.25, -0.9, 0.5])
    y = y - raise_ * np.array([0.11, 0.15, 0.16, 0.12])
    y = y + inner * np.array([-0.17, -0.07, 0.03, 0.10])
    y = y + lower * np.array([0.14, 0.08, 0.00, -0.05])
    y = y + side * 0.12 * expression.brow_tilt * np.array([0.6, 0.9, 1.0, 0.8])
    return smooth(np.stack([side * x, y], axis=1))


def _nose(person: Person, expression: Expression) -> Nose:
    wrinkle = expression.nose_wrinkle
    base_y = person.nose_length - 0.03 * wrinkle
    return Nose(
        half_width=person.nose_half_width * (1.0 + 0.12 * wrinkle),
        wing_y=base_y - 0.09 - 0.04 * wrinkle,
        tip=np.array([0.0, base_y - 0.18 - 0.01 * wrinkle]),
        base=np.array([0.0, base_y]),
    )


def _mouth(person: Person, expression: Expression) -> Mouth:
    opening = max(expression.mouth_open, 0.0)
    gap_down = 0.44 * opening
    gap_up = 0.05 * opening + 0.05 * max(expression.upper_lip_raise, 0.0) * (opening > 0.0)
    lifts = np.where(_X < 0.0, expression.corner_left, expression.corner_right)
    smile = np.maximum(lifts, 0.0)
    # A rounded mouth narrows more than a stretched one widens.
    half_width = (
        0.5
        * person.mouth_width
        * (1.0 + (0.16 if expression.mouth_stretch > 0 else 0.40) * expression.mouth_stretch)
    )
    pull = 0.03 * (expression.corner_right - expression.corner_left)
    x = _X * (half_width + 0.045 * smile * np.abs(_X)) + pull * (1.0 - _X**2)
    side = np.abs(_X)
    # The raised lip of disgust pulls the middle of the mouth up; an open jaw lowers the corners a little.
    center_y = (
        person.nose_length + person.mouth_drop - 0.035 * expression.upper_lip_raise + 0.012 * smile.mean()
    )
    corners = -0.15 * lifts * side**1.6 + 0.34 * gap_down * side**2
    line = center_y + corners
    bell = 1.0 - _X**2
    # A round mouth opens like an ellipse, a smiling one like a crescent.
    roundness = 0.5 if expression.mouth_stretch < -0.2 else 0.75
    upper_inner = line - gap_up * bell
    lower_inner = line + gap_down * bell**roundness
    thin = 1.0 - 0.55 * expression.lip_press - 0.12 * opening
    thin_upper = max(thin - 0.12 * float(smile.mean()) - 0.15 * max(expression.upper_lip_raise, 0.0), 0.25)
    thin_lower = max(thin - 0.10 * float(smile.mean()), 0.3)
    # Cupid's bow: two peaks beside the dip in the middle.
    bow = (1.0 - side**1.5) * (1.0 - 0.22 * np.exp(-((_X / 0.13) ** 2)))
    upper_edge = upper_inner - person.upper_lip * thin_upper * bow
    lower_edge = lower_inner + person.lower_lip * thin_lower * bell**0.8
    return Mouth(*(_curve(x, y) for y in (upper_edge, upper_inner, lower_inner, lower_edge)))


def _curve(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Points:
    return np.stack([x, y], axis=1)
