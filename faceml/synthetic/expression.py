"""Expression parameters modelled on action units, and prototypes of the eight expressions."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from faceml.tasks import AFFECTNET8


@dataclass(frozen=True)
class Expression:
    """Contraction of each group of facial muscles; 0 is relaxed, 1 a strong but natural contraction.

    The groups are action units (AU) of the Facial Action Coding System (Ekman & Friesen 1978).

    Attributes:
        brow_raise: Whole brows up (AU 1+2).
        brow_inner_raise: Only the inner ends up (AU 1).
        brow_lower: Brows down and together (AU 4).
        brow_tilt: Left brow up and right brow down.
        lid_raise: Upper lids open (AU 5); negative droops.
        cheek_raise: Lower lids pushed up by the cheeks (AU 6, 7).
        nose_wrinkle: Wings of the nose up (AU 9).
        upper_lip_raise: Upper lip up (AU 10).
        corner_left: Left mouth corner up (AU 12); negative pulls it down (AU 15).
        corner_right: The same for the right corner.
        mouth_stretch: Mouth wide (AU 20); negative makes it round (AU 18).
        lip_press: Lips thin (AU 24); negative pouts.
        mouth_open: Jaw down (AU 25 to 27), at least 0.
        teeth_clench: Lower teeth shown against the upper ones, from 0 to 1.
        gaze_x: Eyes to the viewer's right, from -1 to 1.
        gaze_y: Eyes down, from -1 to 1.
    """

    brow_raise: float = 0.0
    brow_inner_raise: float = 0.0
    brow_lower: float = 0.0
    brow_tilt: float = 0.0
    lid_raise: float = 0.0
    cheek_raise: float = 0.0
    nose_wrinkle: float = 0.0
    upper_lip_raise: float = 0.0
    corner_left: float = 0.0
    corner_right: float = 0.0
    mouth_stretch: float = 0.0
    lip_press: float = 0.0
    mouth_open: float = 0.0
    teeth_clench: float = 0.0
    gaze_x: float = 0.0
    gaze_y: float = 0.0


# Contractions of each expression at full intensity, after the prototypes of Ekman & Friesen's EMFACS. Several
# entries are variants; one is drawn for each face.
PROTOTYPES: dict[str, tuple[Expression, ...]] = {
    "neutral": (Expression(),),
    "happy": (
        Expression(cheek_raise=0.8, corner_left=1.0, corner_right=1.0, mouth_stretch=0.5, mouth_open=0.45),
        Expression(cheek_raise=0.6, corner_left=1.0, corner_right=1.0, mouth_stretch=0.5),
    ),
    "sad": (
        Expression(
            brow_inner_raise=1.0,
            lid_raise=-0.55,
            corner_left=-0.9,
            corner_right=-0.9,
            mouth_stretch=-0.15,
            lip_press=-0.3,
            gaze_y=0.4,
        ),
    ),
    "surprise": (
        Expression(brow_raise=1.1, lid_raise=0.9, mouth_stretch=-0.55, mouth_open=1.0),
        Expression(brow_raise=1.2, lid_raise=0.9, mouth_stretch=-0.8, mouth_open=0.75),
    ),
    "fear": (
        Expression(
            brow_raise=0.55,
            brow_inner_raise=0.75,
            brow_lower=0.3,
            lid_raise=1.0,
            corner_left=-0.7,
            corner_right=-0.7,
            mouth_stretch=0.75,
            mouth_open=0.4,
            teeth_clench=0.8,
        ),
    ),
    "disgust": (
        Expression(
            brow_lower=0.6,
            lid_raise=-0.35,
            cheek_raise=0.8,
            nose_wrinkle=1.0,
            upper_lip_raise=1.0,
            corner_left=-0.6,
            corner_right=-0.6,
            mouth_stretch=-0.05,
            mouth_open=0.2,
        ),
    ),
    "anger": (
        Expression(
            brow_lower=1.15,
            lid_raise=0.15,
            cheek_raise=0.35,
            nose_wrinkle=0.3,
            corner_left=-0.3,
            corner_right=-0.3,
            mouth_stretch=0.05,
            lip_press=1.0,
        ),
        Expression(
            brow_lower=1.15,
            lid_raise=0.3,
            cheek_raise=0.4,
            nose_wrinkle=0.5,
            upper_lip_raise=0.4,
            corner_left=-0.25,
            corner_right=-0.25,
            mouth_stretch=0.45,
            mouth_open=0.4,
            teeth_clench=1.0,
        ),
    ),
    "contempt": (
        Expression(
            brow_tilt=0.5, lid_raise=-0.3, corner_left=1.1, corner_right=-0.1, lip_press=0.15, gaze_x=0.35
        ),
        Expression(
            brow_tilt=-0.5, lid_raise=-0.3, corner_left=-0.1, corner_right=1.1, lip_press=0.15, gaze_x=-0.35
        ),
    ),
}


def sample_expression(label: int, rng: np.random.Generator) -> Expression:
    """Sample an expression: a variant, an intensity, and small independent deviations.

    Args:
        label: From 0 to 7, in the order of `faceml.tasks.AFFECTNET8`.
        rng: Random number generator.
    """
    variants = PROTOTYPES[AFFECTNET8[label]]
    prototype = variants[int(rng.integers(len(variants)))]
    intensity = rng.uniform(0.6, 1.0)
    values: dict[str, Any] = {
        field.name: getattr(prototype, field.name) * intensity * rng.normal(1.0, 0.08) + rng.normal(0.0, 0.05)
        for field in fields(Expression)
    }
    # Deviations must not open a closed mouth or show teeth.
    for name in ("mouth_open", "teeth_clench", "nose_wrinkle"):
        values[name] = max(values[name], 0.0) if getattr(prototype, name) else 0.0
    values["gaze_x"] += rng.normal(0.0, 0.25)
    values["gaze_y"] += rng.normal(0.0, 0.12)
    return Expression(**values)
