"""Rendering of a face image with its exact landmarks."""

import math

import numpy as np
import numpy.typing as npt

from faceml.images import RgbImage
from faceml.synthetic.anatomy import shape_face
from faceml.synthetic.canvas import Canvas, develop, enlarge
from faceml.synthetic.expression import Expression
from faceml.synthetic.features import paint_brows, paint_eyes, paint_mouth, paint_nose
from faceml.synthetic.hair import crown_y, paint_hair_behind, paint_hair_in_front
from faceml.synthetic.head import paint_beard, paint_body, paint_ears, paint_face, paint_glasses
from faceml.synthetic.painting_context import PaintingContext
from faceml.synthetic.person import Person
from faceml.synthetic.scene import Scene, body_view, head_view
from faceml.synthetic.shading import hair_texture, light_on_head, skin_texture
from faceml.tables import LANDMARK_SETS, convert_landmarks

# Small images are painted larger and scaled down, which keeps lines thin.
_CANVAS_PX = 320
_BACKGROUND_GRID = 64


def render_face(
    person: Person, expression: Expression, scene: Scene, image_size_px: int
) -> tuple[RgbImage, npt.NDArray[np.float32]]:
    """Render a face.

    Args:
        person: Shape and colours of the person.
        expression: Contractions of the facial muscles.
        scene: Pose, light and background.
        image_size_px: Side S of the image in px.

    Returns:
        The image, uint8 of shape (S, S, 3), and the exact landmarks of the 10-point set, float32 of shape
        (10, 2), x and y from 0 to 1.
    """
    canvas_px = image_size_px * math.ceil(_CANVAS_PX / image_size_px)
    canvas = Canvas(_background(scene, canvas_px), scene.balance)
    face, head = shape_face(person, expression), head_view(scene)
    light = light_on_head(scene, head)
    context = PaintingContext(
        canvas=canvas,
        person=person,
        expression=expression,
        face=face,
        scene=scene,
        head=head,
        body=body_view(scene),
        skin=skin_texture(person, expression, face, scene, head, light, canvas_px),
        hair=hair_texture(person.hair, scene, head, light, crown_y(person), canvas_px),
    )
    paint_hair_behind(context)
    paint_body(context)
    paint_ears(context)
    paint_face(context)
    paint_beard(context)
    paint_eyes(context)
    paint_nose(context)
    paint_mouth(context)
    paint_brows(context)
    paint_hair_in_front(context)
    if person.glasses:
        paint_glasses(context)
    image = develop(canvas.image, image_size_px, scene.blur, scene.noise, scene.noise_seed)
    return image, head.project(face.landmarks()).astype(np.float32)


def five_of_ten(landmarks: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the 5-point set of a face, shape (5, 2), from its 10-point set, shape (10, 2)."""
    return convert_landmarks(landmarks, LANDMARK_SETS[10])[5]


def _background(scene: Scene, size_px: int) -> RgbImage:
    """Return a vertical gradient that is lighter on the side of the light."""
    down = np.linspace(0.0, 1.0, _BACKGROUND_GRID)[:, None, None]
    across = np.linspace(-1.0, 1.0, _BACKGROUND_GRID)[None, :, None]
    column = (1.0 - down) * np.array(scene.background_top) + down * np.array(scene.background_bottom)
    colors = np.clip(column * scene.balance * (1.0 + 0.16 * scene.light_x * across), 0, 255).astype(np.uint8)
    return enlarge(colors, size_px)
