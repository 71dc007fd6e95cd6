"""Drawing of predictions on images."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from faceml.images import RgbImage
from faceml.landmarks import point_colors
from faceml.prediction.results import FacePrediction, ImagePrediction
from faceml.tables import LANDMARK_SETS

BOX_RGB = (86, 180, 233)  # sky blue of the palette of Okabe & Ito
INK_RGB, PAPER_RGB = (255, 255, 255), (16, 16, 16)
SMALLEST_FONT_PX = 10


def draw_predictions(image: RgbImage, prediction: ImagePrediction) -> RgbImage:
    """Return a copy of an image with the box, expression and landmarks of each face.

    Args:
        image: uint8 of shape (H, W, 3).
        prediction: Prediction of this image.
    """
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    for face in reversed(prediction.faces):  # the largest face on top
        _draw_face(pen, face, canvas.size)
    return np.asarray(canvas)


def _draw_face(pen: ImageDraw.ImageDraw, face: FacePrediction, size: tuple[int, int]) -> None:
    left, top, right, bottom = (face.box.reshape(2, 2) * size).clip(0, np.array(size) - 1).ravel().tolist()
    # Lines, points and text scale with the face, not with the image.
    side = max(right - left, bottom - top)
    line_px = max(1, round(side / 120))
    pen.rectangle((left, top, right, bottom), outline=BOX_RGB, width=line_px)
    radius = max(1.5, side / 70)
    for (x, y), rgb in zip(
        face.landmarks * size, point_colors(LANDMARK_SETS[len(face.landmarks)]), strict=True
    ):
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), rgb, PAPER_RGB)
    font = ImageFont.load_default(max(SMALLEST_FONT_PX, round(side / 14)))
    text = f"{face.expression} {face.confidence:.0%}"
    _, _, width, height = font.getbbox(text)
    # Above the box if there is space, else inside it.
    edge = top - 1.3 * height if top >= 1.3 * height else top
    pen.rectangle((left, edge, left + width + 0.6 * height, edge + 1.3 * height), fill=PAPER_RGB)
    pen.text((left + 0.3 * height, edge + 0.1 * height), text, INK_RGB, font)
