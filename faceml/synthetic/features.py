"""Painting of the features with landmarks: eyes, brows, nose and mouth."""

import numpy as np

from faceml.synthetic.anatomy import NOSE_BASE_LIFT, NOSE_TIP_LIFT, NOSE_WING_LIFT, Eye, on_mouth
from faceml.synthetic.geometry import Points, ellipse, smooth, stroke, taper
from faceml.synthetic.painting_context import PaintingContext, mix, scale
from faceml.synthetic.person import Color

_LASH: Color = (38.0, 28.0, 26.0)


def paint_eyes(context: PaintingContext) -> None:
    """Paint both eyes: white, iris, pupil and highlight inside the lids, then lids and lashes."""
    for eye in context.face.eyes:
        _paint_eye(context, eye)


def _paint_eye(context: PaintingContext, eye: Eye) -> None:
    canvas, person, scene = context.canvas, context.person, context.scene
    opening = np.vstack([eye.upper_lid, eye.lower_lid[::-1]])
    dark_skin = scale(person.skin, 0.52)
    context.brush(eye.crease, 0.016, dark_skin, 0.55)
    with canvas.clipped(context.on_skin(opening)):
        canvas.fill(context.on_skin(opening), (238.0, 234.0, 230.0))
        inner = eye.upper_lid[0]
        canvas.fill(context.on_skin(ellipse(inner, 0.05, 0.04, 12)), (214.0, 150.0, 140.0), 0.8)
        radius = person.iris_radius
        canvas.fill(context.on_skin(ellipse(eye.iris, radius, radius)), scale(person.iris, 0.5))
        canvas.fill(context.on_skin(ellipse(eye.iris, 0.86 * radius, 0.86 * radius)), person.iris)
        glow = eye.iris + np.array([0.0, 0.32 * radius])
        canvas.fill(context.on_skin(ellipse(glow, 0.6 * radius, 0.45 * radius)), scale(person.iris, 1.5), 0.5)
        canvas.fill(context.on_skin(ellipse(eye.iris, 0.42 * radius, 0.42 * radius, 20)), (16.0, 12.0, 14.0))
        shadow = stroke(eye.upper_lid, 0.05)
        canvas.fill(context.on_skin(shadow), (70.0, 56.0, 60.0), 0.38)
        glint = eye.iris + 0.36 * radius * np.array([np.sign(scene.light_x), -1.0])
        canvas.fill(
            context.on_skin(ellipse(glint, 0.24 * radius, 0.24 * radius, 14)), (255.0, 255.0, 255.0), 0.95
        )
    # The lash line is thickest near the outer corner and ends at the corners, which are landmarks.
    t = np.linspace(0.0, 1.0, len(eye.upper_lid))
    lash = stroke(
        eye.upper_lid, (0.010 + 0.018 * person.lash_strength) * (0.45 + 0.55 * t) * taper(len(t), end=0.5)
    )
    canvas.fill(context.on_skin(lash), mix(_LASH, dark_skin, 0.35 * (1.0 - person.lash_strength)))
    context.brush(eye.lower_lid, 0.009, dark_skin, 0.75)
    context.brush(eye.lower_lid[3:] + np.array([0.0, 0.075]), 0.012, dark_skin, 0.22)


def paint_brows(context: PaintingContext) -> None:
    """Paint both brows, thickest in their inner third, with a few hairs."""
    person = context.person
    color = mix(scale(person.hair, 0.72), person.skin, 0.12)
    for brow in context.face.brows:
        t = np.linspace(0.0, 1.0, len(brow))
        thickness = 0.5 * person.brow_thickness * np.interp(t, [0.0, 0.12, 0.45, 1.0], [0.55, 1.0, 0.9, 0.1])
        context.canvas.fill(context.on_skin(stroke(brow, 1.25 * thickness)), color, 0.45)
        context.canvas.fill(context.on_skin(stroke(brow, thickness)), color, 0.85)
        direction = np.gradient(brow, axis=0)
        direction /= np.hypot(*direction.T)[:, None]
        up = thickness[:, None] * (0.0, -1.0)
        hairs = np.stack([brow - 0.5 * up, brow + 0.045 * direction + 0.9 * up], axis=1)
        context.canvas.lines(context.on_skin(hairs), scale(color, 0.7), 0.002)


def paint_nose(context: PaintingContext) -> None:
    """Paint the lines of the nose: wings, nostrils, base, a flank; skin shading adds volume."""
    canvas, person, nose = context.canvas, context.person, context.face.nose
    dark, darker = scale(person.skin, 0.55), mix(scale(person.skin, 0.32), (70.0, 24.0, 20.0), 0.4)
    wing, wing_y, base_y = nose.half_width, nose.wing_y, nose.base[1]
    shaded = -float(np.sign(context.scene.light_x)) or -1.0
    flank = smooth([(shaded * 0.17, -0.12), (shaded * 0.10, 0.12), (shaded * 0.12, nose.tip[1] - 0.12)])
    context.brush(flank, 0.028, dark, 0.20, 0.1)
    for side in (-1.0, 1.0):
        alar = smooth(
            [(side * 0.80 * wing, wing_y - 0.09), (side * wing, wing_y), (side * 0.93 * wing, base_y - 0.03),
             (side * 0.70 * wing, base_y - 0.005)]
        )  # fmt: skip
        context.brush(alar, 0.017, dark, 0.75, NOSE_WING_LIFT)
        nostril = smooth(
            [(side * 0.24 * wing, base_y - 0.028), (side * 0.42 * wing, base_y - 0.058),
             (side * 0.68 * wing, base_y - 0.038), (side * 0.48 * wing, base_y - 0.018)], closed=True
        )  # fmt: skip
        canvas.fill(context.on_skin(nostril, NOSE_BASE_LIFT), darker, 0.85)
        bulb = smooth([(side * 0.36 * wing, nose.tip[1] - 0.05), (side * 0.47 * wing, nose.tip[1] + 0.02),
                       (side * 0.38 * wing, nose.tip[1] + 0.08)])  # fmt: skip
        context.brush(bulb, 0.014, dark, 0.25, 0.6 * NOSE_TIP_LIFT)
    base = smooth([(-0.45 * wing, base_y - 0.022), (0.0, base_y), (0.45 * wing, base_y - 0.022)])
    context.brush(base, 0.014, dark, 0.7, NOSE_BASE_LIFT)


def paint_mouth(context: PaintingContext) -> None:
    """Paint the inside of the mouth with teeth and tongue, then both lips and the line between them."""
    canvas, person, mouth = context.canvas, context.person, context.face.mouth
    rose = mix(scale(person.skin, 0.72), (176.0, 52.0, 62.0), 0.25 + 0.4 * person.lip_redness)
    lower_rose = mix(scale(rose, 1.10), (255.0, 214.0, 206.0), 0.06)
    upper = np.vstack([mouth.upper_edge, mouth.upper_inner[::-1]])
    lower = np.vstack([mouth.lower_inner, mouth.lower_edge[::-1]])
    gap = float(np.max(mouth.lower_inner[:, 1] - mouth.upper_inner[:, 1]))
    if gap > 0.02:
        _paint_inside(context, gap)
    canvas.fill(context.head.project(on_mouth(lower)), lower_rose)
    canvas.fill(context.head.project(on_mouth(upper)), scale(rose, 0.88))
    shine = 0.4 * mouth.lower_inner + 0.6 * mouth.lower_edge
    _brush_lips(context, shine[13:28], 0.016, mix(lower_rose, (255.0, 240.0, 236.0), 0.5), 0.5)
    dark = scale(rose, 0.42)
    _brush_lips(context, mouth.upper_inner, 0.013 if gap <= 0.02 else 0.007, dark, 0.9)
    for corner in (mouth.upper_edge[0], mouth.upper_edge[-1]):
        canvas.fill(context.head.project(on_mouth(ellipse(corner, 0.022, 0.018, 12))), dark, 0.5)


def _paint_inside(context: PaintingContext, gap: float) -> None:
    canvas, expression, mouth = context.canvas, context.expression, context.face.mouth
    inside = context.head.project(on_mouth(np.vstack([mouth.upper_inner, mouth.lower_inner[::-1]])))
    teeth: Color = (240.0, 234.0, 224.0)
    with canvas.clipped(inside):
        canvas.fill(inside, (64.0, 20.0, 24.0))
        if gap > 0.12:
            tongue = ellipse(
                (0.0, mouth.lower_inner[len(mouth.lower_inner) // 2, 1] + 0.01), 0.24, 0.42 * gap
            )
            canvas.fill(context.head.project(on_mouth(tongue)), (176.0, 78.0, 80.0))
        # A smile shows the upper teeth; a wide open jaw hides most of them; clenched rows meet halfway.
        show = 0.11 if expression.teeth_clench <= 0.3 else 0.52 * gap
        show *= 1.0 - 0.6 * min(max(-expression.mouth_stretch, 0.0), 1.0)
        _fill_band(context, mouth.upper_inner, show, teeth)
        if expression.teeth_clench > 0.3:
            _fill_band(context, mouth.lower_inner, -0.44 * gap, scale(teeth, 0.94))
            top, bottom = mouth.upper_inner[:, 1].min() - 0.1, mouth.lower_edge[:, 1].max()
            x = np.linspace(-0.36, 0.36, 9)
            gaps = context.head.project(
                on_mouth(np.stack([x, 0 * x + top, x, 0 * x + bottom], axis=1).reshape(-1, 2, 2))
            )
            canvas.lines(gaps, scale(teeth, 0.72), 0.0015)
        canvas.fill(context.head.project(on_mouth(stroke(mouth.upper_inner, 0.03))), (50.0, 16.0, 20.0), 0.4)


def _fill_band(context: PaintingContext, edge: Points, height: float, color: Color) -> None:
    bell = 1.0 - np.linspace(-1.0, 1.0, len(edge)) ** 4
    band = np.vstack([edge, (edge + np.stack([np.zeros(len(edge)), height * bell], axis=1))[::-1]])
    context.canvas.fill(context.head.project(on_mouth(band)), color)


def _brush_lips(
    context: PaintingContext, line: Points, half_width: float, color: Color, alpha: float
) -> None:
    outline = stroke(line, half_width * taper(len(line), start=0.4, end=0.4))
    context.canvas.fill(context.head.project(on_mouth(outline)), color, alpha)
