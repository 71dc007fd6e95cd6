"""Painting of body, neck, ears, skin, folds, freckles, beard and glasses."""

import numpy as np

from faceml.synthetic.geometry import at_depth, ellipse, on_face, smooth, stroke
from faceml.synthetic.painting_context import PaintingContext, mix, scale

_NECK_DEPTH = -0.25


def paint_body(context: PaintingContext) -> None:
    """Paint shoulders and clothes, and the neck in the shadow of the chin."""
    canvas, person, body = context.canvas, context.person, context.body
    neck = 0.74 * person.jaw_half_width
    base = person.face_length + 0.62
    shoulders = smooth(
        [(-3.2, 4.0), (-2.5, base + 0.62), (-1.3, base + 0.2), (-neck - 0.1, base - 0.12), (0.0, base + 0.1),
         (neck + 0.1, base - 0.12), (1.3, base + 0.2), (2.5, base + 0.62), (3.2, 4.0)]
    )  # fmt: skip
    clothes = context.scene.clothes
    canvas.fill(body.project(at_depth(shoulders, -0.3)), clothes)
    for side in (-1.0, 1.0):
        crease = smooth([(side * 1.05, base + 0.35), (side * 1.4, base + 0.9), (side * 1.45, base + 1.6)])
        canvas.fill(body.project(at_depth(stroke(crease, 0.025), -0.3)), scale(clothes, 0.75), 0.6)
    below_jaw = context.head.project(
        at_depth([(neck, 0.6 * person.face_length), (-neck, 0.6 * person.face_length)], _NECK_DEPTH)
    )
    throat = smooth(
        [(-neck + 0.02, base - 0.5), (-neck - 0.06, base - 0.12), (0.0, base + 0.32),
         (neck + 0.06, base - 0.12), (neck - 0.02, base - 0.5)]
    )  # fmt: skip
    outline = np.vstack([below_jaw, body.project(at_depth(throat, _NECK_DEPTH))])
    canvas.paint(outline, context.skin)
    with canvas.clipped(outline):
        shadow = scale(person.skin, 0.45)
        # Faint copies of the jaw's outline, shifted down step by step: a shadow with a soft edge.
        for drop in np.linspace(0.46, 0.10, 8):
            shade = context.face.outline * (0.92, 1.0, 1.0) + (0.0, drop, -0.2)
            canvas.fill(context.head.project(shade), shadow, 0.09)
    collar = smooth([(-neck - 0.1, base - 0.14), (-0.5 * neck, base + 0.2), (0.0, base + 0.33),
                     (0.5 * neck, base + 0.2), (neck + 0.1, base - 0.14)])  # fmt: skip
    canvas.fill(body.project(at_depth(stroke(collar, 0.05), _NECK_DEPTH)), scale(clothes, 0.82))


def paint_ears(context: PaintingContext) -> None:
    """Paint both ears behind the cheeks."""
    person = context.person
    for side in (-1.0, 1.0):
        x, y = side * person.cheek_half_width, 0.22
        shape = [
            (x - side * 0.1, y - 0.30), (x + side * 0.10, y - 0.36), (x + side * 0.19, y - 0.18),
            (x + side * 0.13, y + 0.12), (x + side * 0.04, y + 0.32), (x - side * 0.1, y + 0.25),
        ]  # fmt: skip
        outline = context.head.project(at_depth(smooth(shape, closed=True), -0.1))
        context.canvas.paint(outline, context.skin)
        inner = smooth(
            [(x + side * 0.05, y - 0.24), (x + side * 0.11, y - 0.14), (x + side * 0.06, y + 0.08)]
        )
        context.canvas.fill(
            context.head.project(at_depth(stroke(inner, 0.03), -0.1)), scale(person.skin, 0.62), 0.55
        )


def paint_face(context: PaintingContext) -> None:
    """Paint the skin from crown to chin, with a soft edge, freckles and the folds of the expression."""
    canvas, person = context.canvas, context.person
    outline = context.head.project(context.face.outline)
    canvas.fill(outline + np.array([0.0, 0.004]), scale(person.skin, 0.5), 0.5)
    canvas.paint(outline, context.skin)
    if person.freckles:
        rng = np.random.default_rng(person.detail_seed)
        places = np.column_stack(
            [rng.normal(0.0, 0.5, person.freckles), rng.normal(0.42, 0.13, person.freckles)]
        )
        color = mix(person.skin, (140.0, 78.0, 44.0), 0.55)
        for x, y in places[np.abs(places[:, 0]) < 0.85]:
            canvas.fill(context.on_skin(ellipse((x, y), 0.016, 0.014, 8)), color, 0.55)
    _paint_folds(context)


def _paint_folds(context: PaintingContext) -> None:
    expression, face = context.expression, context.face
    fold = scale(context.person.skin, 0.58)
    wing, wing_y = face.nose.half_width, face.nose.wing_y
    corners = (face.mouth.upper_edge[0], face.mouth.upper_edge[-1])
    lifts = (expression.corner_left, expression.corner_right)
    for side, corner, lift in zip((-1.0, 1.0), corners, lifts, strict=True):
        depth = max(lift, 0.9 * expression.upper_lip_raise, 0.8 * expression.nose_wrinkle, 0.0)
        reach = side * (abs(corner[0]) + 0.10 + 0.05 * max(lift, 0.0))
        laugh = smooth([(side * (wing + 0.05), wing_y - 0.06), (0.55 * reach + side * 0.5 * (wing + 0.09),
                        0.5 * (wing_y + corner[1]) - 0.05), (reach, corner[1] + 0.02)])  # fmt: skip
        context.brush(laugh, 0.022, fold, 0.10 + 0.38 * min(depth, 1.0))
        if expression.brow_lower > 0.25:
            frown = smooth([(side * 0.085, -0.42), (side * 0.07, -0.30), (side * 0.10, -0.19)])
            context.brush(frown, 0.02, fold, min(0.55 * expression.brow_lower, 0.6))
    for height in (0.62, 0.76, 0.90):
        depth = max(expression.brow_raise, 0.45 * expression.brow_inner_raise, 0.0)
        if depth > 0.25:
            line = smooth([(-0.5, -height), (-0.2, -height - 0.045), (0.2, -height - 0.045), (0.5, -height)])
            context.brush(line, 0.013, fold, min(0.35 * depth, 0.4))
    if expression.nose_wrinkle > 0.25:
        for y in (0.06, 0.14, 0.22):
            line = smooth([(-0.12, y + 0.03), (0.0, y), (0.12, y + 0.03)])
            context.brush(line, 0.012, fold, 0.4 * min(expression.nose_wrinkle, 1.0), 0.1)


def paint_beard(context: PaintingContext) -> None:
    """Paint stubble, a moustache or a full beard around the lips."""
    person, face = context.person, context.face
    if person.beard == "none":
        return
    jaw, lips = person.jaw_half_width, face.mouth
    left, right = lips.upper_edge[0], lips.upper_edge[-1]
    base_y, middle = face.nose.base[1], len(lips.upper_edge) // 2
    moustache = smooth(
        [(0.0, base_y + 0.09), (0.25, base_y + 0.11), (right[0] + 0.09, right[1] + 0.05),
         (right[0], right[1] + 0.10), (0.2, lips.upper_edge[middle, 1] + 0.03),
         (0.0, lips.upper_edge[middle, 1] + 0.02), (-0.2, lips.upper_edge[middle, 1] + 0.03),
         (left[0], left[1] + 0.10), (left[0] - 0.09, left[1] + 0.05), (-0.25, base_y + 0.11)], closed=True
    )  # fmt: skip
    color = mix(person.hair, person.skin, 0.15)
    alpha = 0.55 if person.beard != "stubble" else 0.11
    below_lips = lips.lower_edge[middle, 1]
    cheeks = smooth(
        [(person.cheek_half_width, 0.30), (person.cheek_half_width - 0.14, 0.42), (0.82 * jaw, 0.90),
         (right[0] + 0.18, right[1] - 0.08), (right[0] + 0.07, right[1] + 0.10), (0.22, below_lips + 0.07),
         (0.0, below_lips + 0.055), (-0.22, below_lips + 0.07), (left[0] - 0.07, left[1] + 0.10),
         (left[0] - 0.18, left[1] - 0.08), (-0.82 * jaw, 0.90), (0.14 - person.cheek_half_width, 0.42),
         (-person.cheek_half_width, 0.30)]
    )  # fmt: skip
    around = at_depth([(-1.8, 0.30), (-1.8, 3.0), (1.8, 3.0), (1.8, 0.30)], 0.0)
    with context.canvas.clipped(context.head.project(context.face.outline)):
        # Twice, the second time slightly smaller, for a softer edge.
        for shrink in (0.0, 0.03):
            if person.beard != "moustache":
                edge = on_face(cheeks + np.array([0.0, shrink]), half_width=person.cheek_half_width + 0.02)
                context.canvas.fill(context.head.project(np.vstack([edge, around])), color, alpha)
            narrow = moustache * (1.0 - shrink, 1.0) + np.array([0.0, 0.4 * shrink])
            context.canvas.fill(context.on_skin(narrow, 0.07), color, alpha)


def paint_glasses(context: PaintingContext) -> None:
    """Paint glasses with thin dark rims."""
    person, canvas = context.person, context.canvas
    rim, center = (40.0, 36.0, 38.0), person.eye_half_distance + 0.01
    rims = []
    for side in (-1.0, 1.0):
        x = side * center
        lens = smooth([(x - 0.36, 0.02), (x - 0.31, -0.21), (x, -0.25), (x + 0.31, -0.21), (x + 0.36, 0.02),
                       (x + 0.26, 0.25), (x, 0.30), (x - 0.26, 0.25)], closed=True)  # fmt: skip
        canvas.fill(context.on_skin(lens, 0.15), (235.0, 242.0, 250.0), 0.10)
        rims.append(context.on_skin(np.vstack([lens, lens[:1]]), 0.15))
        temple = [(x + side * 0.36, 0.0, 0.55), (side * (person.cheek_half_width + 0.03), -0.05, -0.05)]
        rims.append(context.head.project(np.array(temple)))
    rims.append(context.on_skin(smooth([(0.36 - center, -0.02), (0.0, -0.07), (center - 0.36, -0.02)]), 0.2))
    canvas.lines(rims, rim, 0.034 * context.scene.eye_distance)
