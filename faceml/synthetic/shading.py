"""Shading of skin and hair as low-resolution textures in the plane of the rotated face.

Shape letters: G side of a texture in pixels.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from faceml.images import RgbImage
from faceml.synthetic.anatomy import Face
from faceml.synthetic.canvas import place_texture
from faceml.synthetic.expression import Expression
from faceml.synthetic.geometry import (
    HEAD_CENTER_Y,
    HEAD_DEPTH,
    HEAD_HALF_HEIGHT,
    HEAD_HALF_WIDTH,
    on_face,
)
from faceml.synthetic.person import Color, Person
from faceml.synthetic.scene import Scene, View

_GRID = 112
_LEFT, _TOP, _SPAN = -2.6, -2.6, 5.2
_AXIS = np.linspace(0.0, _SPAN, _GRID, endpoint=False) + _SPAN / _GRID / 2.0

Plane = npt.NDArray[np.float32]
"""float32 of shape (G, G)."""


def light_on_head(scene: Scene, view: View) -> Plane:
    """Return the brightness, around 1, of a diffuse ellipsoid in the scene's light (Lambert's cosine law)."""
    middle = view.turn @ np.array([0.0, HEAD_CENTER_Y, 0.0])
    x = (_AXIS + _LEFT - middle[0])[None, :] / HEAD_HALF_WIDTH
    y = (_AXIS + _TOP - middle[1])[:, None] / HEAD_HALF_HEIGHT
    # The normal at the silhouette is continued outside, for ears, neck and hair.
    radius = np.sqrt(x**2 + y**2)
    inside = np.minimum(radius, 0.98) / np.maximum(radius, 1e-6)
    x, y = x * inside, y * inside
    z = np.sqrt(1.0 - x**2 - y**2)
    normal = np.stack([x / HEAD_HALF_WIDTH, y / HEAD_HALF_HEIGHT, z / HEAD_DEPTH])
    normal /= np.linalg.norm(normal, axis=0)
    light = np.array([scene.light_x, scene.light_y, 1.1])
    cosine = np.maximum(np.tensordot(light / np.linalg.norm(light), normal, axes=1), 0.0)
    return np.asarray(1.08 - 0.62 * scene.contrast * (1.0 - cosine), dtype=np.float32)


def skin_texture(
    person: Person, expression: Expression, face: Face, scene: Scene, view: View, light: Plane, size_px: int
) -> RgbImage:
    """Return the shaded skin of head and neck on the whole canvas, uint8 of shape (size_px, size_px, 3)."""
    side = float(np.sign(scene.light_x)) or 1.0
    strength = 0.6 + 0.8 * scene.contrast
    nose, mouth_y = face.nose, float(face.mouth.lower_edge[len(face.mouth.lower_edge) // 2, 1])
    eye, wing = person.eye_half_distance, nose.half_width
    # x, y, lift above the face, radius x, radius y, brightness: dark hollows, bright ridges, and flanks
    # of the nose that depend on the direction of the light.
    spots = [
        (-eye, -0.16, 0.0, 0.30, 0.12, -0.13),
        (eye, -0.16, 0.0, 0.30, 0.12, -0.13),
        (-eye, 0.17, 0.0, 0.26, 0.06, -0.06),
        (eye, 0.17, 0.0, 0.26, 0.06, -0.06),
        (-0.20, 0.0, 0.0, 0.07, 0.16, -0.10),
        (0.20, 0.0, 0.0, 0.07, 0.16, -0.10),
        (0.0, 0.10, 0.16, 0.055, 0.26, 0.09),
        (-side * 0.13, 0.28, 0.12, 0.06, 0.26, -0.10),
        (-side * 0.17, nose.wing_y - 0.02, 0.12, 0.09, 0.10, -0.08),
        (0.0, nose.tip[1], 0.30, 0.09, 0.075, 0.13),
        (side * 0.03, nose.tip[1] - 0.03, 0.30, 0.035, 0.03, 0.10),
        (-wing, nose.wing_y + 0.02, 0.06, 0.06, 0.08, -0.07),
        (wing, nose.wing_y + 0.02, 0.06, 0.06, 0.08, -0.07),
        (0.0, nose.base[1] + 0.035, 0.08, 0.16, 0.035, -0.16),
        (0.0, nose.base[1] + 0.13, 0.06, 0.03, 0.07, -0.04),
        (0.0, mouth_y + 0.07, 0.05, 0.20, 0.05, -0.13),
        (0.0, mouth_y + 0.24, 0.05, 0.20, 0.12, 0.05),
        (-0.62, 0.42, 0.0, 0.22, 0.16, 0.05),
        (0.62, 0.42, 0.0, 0.22, 0.16, 0.05),
        (0.0, -0.72, 0.0, 0.55, 0.26, 0.05),
        (0.0, -0.28, 0.05, 0.05, 0.10, -0.10 * max(expression.brow_lower, 0.0)),
        (0.0, face.chin_y + 0.10, 0.3, 0.75, 0.10, -0.05),
        (-0.62, 0.36, 0.0, 0.20, 0.11, 0.07 * max(expression.cheek_raise, 0.0)),
        (0.62, 0.36, 0.0, 0.20, 0.11, 0.07 * max(expression.cheek_raise, 0.0)),
    ]
    shade = light * (1.0 + strength * _blobs(spots, view))
    blush_spots = [
        (-0.66, 0.52, 0.0, 0.24, 0.18, 0.32),
        (0.66, 0.52, 0.0, 0.24, 0.18, 0.32),
        (0.0, nose.tip[1], 0.3, 0.13, 0.10, 0.22),
        (0.0, face.chin_y - 0.10, 0.3, 0.2, 0.10, 0.10),
    ]
    blush = _blobs(blush_spots, view)
    # Blood under the skin absorbs green and blue; shadows on skin have warmer colours.
    tint = np.stack([1.0 - 0.02 * blush, 1.0 - 0.22 * blush, 1.0 - 0.20 * blush], axis=2)
    warm = shade[..., None] ** np.array([0.85, 1.05, 1.15], dtype=np.float32)
    return _place(np.asarray(person.skin) * scene.balance * tint * warm, view, size_px)


def hair_texture(
    color: Color, scene: Scene, view: View, light: Plane, crown_y: float, size_px: int
) -> RgbImage:
    """Return shaded hair with a band of shine on the whole canvas, uint8 of shape (size_px, size_px, 3)."""
    crown = view.turn @ np.array([0.45 * scene.light_x, crown_y, 0.3])
    x, y = (_AXIS + _LEFT - crown[0])[None, :], (_AXIS + _TOP - crown[1])[:, None]
    shine = np.exp(-(((y - 0.35 - 0.25 * x**2) / 0.16) ** 2) - (x / 0.7) ** 2)
    shade = light * (0.80 + 0.22 * np.exp(-(((y - 0.2) / 1.1) ** 2)))
    texture = (
        np.asarray(color) * scene.balance * shade[..., None]
        + 34.0 * (0.4 + 0.6 * scene.contrast) * shine[..., None]
    )
    return _place(texture, view, size_px)


def _blobs(spots: Sequence[tuple[float, ...]], view: View) -> Plane:
    """Sum Gaussian spots (x, y, lift, radius x, radius y, amount) that lie on the face."""
    table = np.array(spots)
    lying = np.vstack([on_face(row[None, :2], row[2]) for row in table]) @ view.turn.T
    columns = np.exp(-(((_AXIS + _LEFT)[None, :] - lying[:, :1]) ** 2) / (2.0 * table[:, 3:4] ** 2))
    rows = np.exp(-(((_AXIS + _TOP)[None, :] - lying[:, 1:]) ** 2) / (2.0 * table[:, 4:5] ** 2))
    return np.asarray((rows * table[:, 5:6]).T @ columns, dtype=np.float32)


def _place(texture: npt.NDArray[np.floating], view: View, size_px: int) -> RgbImage:
    to_face = np.array([[_SPAN / _GRID, 0.0, _LEFT], [0.0, _SPAN / _GRID, _TOP], [0.0, 0.0, 1.0]])
    return place_texture(np.clip(texture, 0, 255).astype(np.uint8), view.similarity() @ to_face, size_px)
