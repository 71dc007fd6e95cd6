"""Drawing of predictions on images."""

from textwrap import fill

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from faceml.images import RgbImage
from faceml.landmarks import point_colors
from faceml.prediction.results import FacePrediction, ImagePrediction

BOX_RGB = (86, 180, 233)  # sky blue of the palette of Okabe & Ito
INK_RGB, PAPER_RGB = (255, 255, 255), (16, 16, 16)
SMALLEST_FONT_PX = 10
LINE_LENGTH = 28
"""Characters that take about the width of the box."""


def draw_predictions(image: RgbImage, prediction: ImagePrediction) -> RgbImage:
    """Return a copy of an image with box, points and captions of each face.

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
    points = {name: order for task in face.tasks.values() for name, order in task.points.items()}
    for name, order in points.items():
        for (x, y), rgb in zip(face.outputs[name] * size, point_colors(order), strict=True):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), rgb, PAPER_RGB)
    text = _caption(face)
    if not text:
        return
    font_px = max(SMALLEST_FONT_PX, round(side / 14))
    font = ImageFont.load_default(font_px)
    _, _, width, height = pen.multiline_textbbox((0, 0), text, font)
    margin = 0.3 * font_px
    # Above the box if there is space, else inside it.
    edge = top - height - margin if top >= height + margin else top
    pen.rectangle((left, edge, left + width + 2 * margin, edge + height + margin), fill=PAPER_RGB)
    pen.multiline_text((left + margin, edge), text, INK_RGB, font)


def _caption(face: FacePrediction) -> str:
    """Return a line for each task that has a caption, with the task's name if there are several."""
    captions = {name: task.caption(face.outputs) for name, task in face.tasks.items()}
    lines = {name: caption for name, caption in captions.items() if caption}
    named = [f"{name}: {line}" if len(lines) > 1 else line for name, line in lines.items()]
    return "\n".join(fill(line, LINE_LENGTH, subsequent_indent="  ") for line in named)
