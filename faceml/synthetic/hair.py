"""Painting of hair behind the head and over the forehead."""

import numpy as np

from faceml.synthetic.geometry import Points, at_depth, ellipse, mirror, on_face, smooth
from faceml.synthetic.painting_context import PaintingContext, mix, scale
from faceml.synthetic.person import HairStyle, Person

_LONG: dict[HairStyle, float] = {"long": 3.1, "bob": 1.75, "curly": 1.0}


def paint_hair_behind(context: PaintingContext) -> None:
    """Paint the hair behind neck and ears."""
    person = context.person
    width, volume = person.cheek_half_width, person.hair_volume
    crown = crown_y(person)
    if person.hair_style == "bun":
        bun = at_depth(ellipse((0.0, crown - 0.12), 0.46, 0.42), -0.3)
        context.canvas.paint(context.head.project(bun), context.hair)
    if person.hair_style not in _LONG:
        return
    end = _LONG[person.hair_style]
    puff = volume * (1.7 if person.hair_style == "curly" else 1.0)
    right = smooth(
        [(0.0, crown), (0.66 * width, crown + 0.16), (width + 0.6 * puff, -0.75), (width + puff + 0.02, 0.2),
         (width + 0.9 * puff, 0.65 * end + 0.2), (0.80 * width + 0.9 * puff, end), (0.45 * width, end + 0.12)]
    )  # fmt: skip
    if person.hair_style == "curly":
        right = _curls(right, person)
    outline = context.head.project(at_depth(np.vstack([right, mirror(right)]), -0.25))
    context.canvas.paint(outline, context.hair)
    with context.canvas.clipped(outline):
        # Hair behind the neck is in shadow.
        shade = smooth(
            [(-width, 0.0), (width, 0.0), (1.02 * width, end + 0.4), (-1.02 * width, end + 0.4)], closed=True
        )
        context.canvas.fill(context.head.project(at_depth(shade, -0.25)), scale(person.hair, 0.45), 0.6)
        locks = [
            [(side * (width + share * puff - 0.12), -0.4), (side * (width + share * puff), 0.9),
             (side * (0.85 * width + share * puff), end + 0.2)]
            for side in (-1.0, 1.0) for share in (0.1, 0.3, 0.5, 0.7, 0.9)
        ]  # fmt: skip
        _strands(context, at_depth(smooth(np.array(locks)), -0.25))


def paint_hair_in_front(context: PaintingContext) -> None:
    """Paint the hair that frames forehead and temples, with its shadow on the skin and its strands."""
    person = context.person
    if person.hair_style == "bald":
        return
    outer, hairline = _outer(person), _hairline(person)
    silhouette = at_depth(outer, 0.0)
    edge = _on_skull(person, hairline)
    shadow = np.vstack([silhouette, edge + np.array([0.0, 0.05, 0.0])])
    context.canvas.fill(context.head.project(shadow), scale(person.skin, 0.45), 0.35)
    outline = context.head.project(np.vstack([silhouette, edge]))
    context.canvas.paint(outline, context.hair)
    with context.canvas.clipped(outline):
        _strands(context, _combed(person, outer, hairline))


def crown_y(person: Person) -> float:
    """Return the height of the hair's highest point above the eye line, negative as up is."""
    volume = person.hair_volume * (1.5 if person.hair_style == "curly" else 1.0)
    return -person.forehead_height - 0.60 - volume


def _outer(person: Person) -> Points:
    """Return the silhouette from the left temple over the crown to the right temple, shape (N, 2)."""
    width, volume, crown = person.cheek_half_width, person.hair_volume, crown_y(person)
    low = {"long": 1.55, "bob": 1.15, "curly": 0.15}.get(person.hair_style, 0.02)
    puff = volume * {"crop": 0.35, "receding": 0.3, "bun": 0.3, "curly": 1.5}.get(person.hair_style, 0.75)
    left = [(-width - 0.6 * puff, low)] if low > 0.1 else [(-width - 0.015, low)]
    left += [
        (-width - 0.8 * puff, -0.40),
        (-0.93 * width - 0.7 * puff, -0.95),
        (-0.62 * width - 0.3 * puff, crown + 0.20),
    ]
    controls = [*left, (0.06 * np.sign(person.parting), crown), *((-x, y) for x, y in reversed(left))]
    curve = smooth(controls)
    return _curls(curve, person) if person.hair_style == "curly" else curve


def _hairline(person: Person) -> Points:
    """Return the hair's edge on the skin from the right temple to the left one, shape (N, 2)."""
    width, top, part = person.cheek_half_width, -person.forehead_height, person.parting
    style = person.hair_style
    if style in ("long", "bob"):
        low = 1.55 if style == "long" else 1.15
        curtain = [(width - 0.02, low), (0.93 * width, 0.5), (0.90 * width, -0.20)]
        other = [(-x, y) for x, y in reversed(curtain)]
        if style == "bob":
            fringe = [
                (0.74 * width, -0.50),
                (0.35, -0.64),
                (0.0, -0.67),
                (-0.35, -0.64),
                (-0.74 * width, -0.50),
            ]
        else:
            fringe = [(0.70 * width, -0.66), (0.5 * (part + 0.7 * width), -0.88), (part, top - 0.12),
                      (0.5 * (part - 0.7 * width), -0.88), (-0.70 * width, -0.66)]  # fmt: skip
        return smooth([*curtain, *fringe, *other])
    temple = [(width - 0.01, 0.02), (0.91 * width, -0.25), (0.85 * width, -0.55)]
    other = [(-x, y) for x, y in reversed(temple)]
    if style == "side_part":
        sign = float(np.sign(part))
        sweep = [
            (0.62 * width, top + 0.16),
            (0.30, top - 0.02),
            (0.0, top - 0.06),
            (-0.36, top - 0.06),
            (-0.64 * width, top + 0.02),
        ]
        crest = [(sign * x, y) for x, y in sweep]
        return smooth([*temple, *(crest if sign > 0 else reversed(crest)), *other])
    if style == "receding":
        crest = [
            (0.74 * width, top - 0.10),
            (0.50, top - 0.30),
            (0.0, top - 0.16),
            (-0.50, top - 0.30),
            (-0.74 * width, top - 0.10),
        ]
    else:
        dip = {"crop": 0.06, "curly": 0.10}.get(style, 0.0)
        crest = [
            (0.68 * width, top + 0.14),
            (0.38, top + dip),
            (0.0, top + 0.6 * dip),
            (-0.38, top + dip),
            (-0.68 * width, top + 0.14),
        ]
    return smooth([*temple, *crest, *other])


def _curls(curve: Points, person: Person) -> Points:
    """Add bumps to a curve."""
    center = np.array([0.0, -0.3])
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
    even = np.linspace(0.0, length[-1], 160)
    dense = np.stack([np.interp(even, length, column) for column in curve.T], axis=1)
    bumps = np.abs(np.sin(np.pi * even / 0.23 + person.detail_seed % 7))
    outward = (dense - center) / np.hypot(*(dense - center).T)[:, None]
    return np.asarray(dense + 0.07 * bumps[:, None] * outward)


def _combed(person: Person, outer: Points, hairline: Points) -> Points:
    """Return strands from the parting over the skull to the hairline, shape (M, N, 3)."""
    share = np.linspace(0.03, 0.97, 44)
    edge = _on_skull(person, hairline[::-1])[np.rint(share * (len(hairline) - 1)).astype(int)]
    side = at_depth(outer, 0.0)[np.rint(share * (len(outer) - 1)).astype(int)]
    middle = person.parting if person.hair_style in ("long", "side_part") else 0.0
    # Roots are spread across the crown, so that strands do not converge in a point.
    spread = 1.1 * person.cheek_half_width * (share - 0.5)
    root = np.stack(
        [middle + spread, crown_y(person) + 0.10 + 0.5 * spread**2, np.full(len(share), 0.25)], axis=1
    )
    return smooth(np.stack([root, 0.40 * root + 0.30 * side + 0.30 * edge, edge], axis=1))


def _on_skull(person: Person, points: Points) -> Points:
    return on_face(points, 0.03, person.cheek_half_width)


def _strands(context: PaintingContext, strands: Points) -> None:
    """Paint strands of shape (M, N, 3), by turns darker and lighter than the hair."""
    projected = context.head.project(strands)
    context.canvas.lines(projected[::2], scale(context.person.hair, 0.74), 0.002)
    context.canvas.lines(projected[1::2], mix(context.person.hair, (255.0, 240.0, 220.0), 0.10), 0.002)
