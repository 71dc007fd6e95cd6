"""Parameters of a person: shape and colours that all images of the person share."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Color = tuple[float, float, float]
"""Red, green, blue from 0 to 255."""

HairStyle = Literal["crop", "side_part", "long", "bob", "curly", "bun", "receding", "bald"]
Beard = Literal["none", "stubble", "full", "moustache"]

SKIN_TONES: tuple[Color, ...] = (
    (250, 219, 198), (242, 203, 176), (233, 187, 155), (219, 168, 132),
    (198, 142, 104), (169, 114, 80), (137, 90, 62), (106, 69, 48),
)  # fmt: skip
HAIR_COLORS: tuple[Color, ...] = (
    (32, 26, 26), (52, 36, 28), (82, 54, 36), (118, 78, 46), (160, 112, 62), (206, 166, 104), (150, 66, 34),
    (150, 146, 142), (214, 210, 204),
)  # fmt: skip
IRIS_COLORS: tuple[Color, ...] = (
    (74, 46, 28), (104, 66, 36), (128, 98, 48), (88, 116, 70), (82, 124, 158), (112, 132, 146),
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """A person's face at rest. Lengths in face units (1 is an average distance between the eye centres).

    Attributes:
        cheek_half_width: Half width of the face at the cheekbones.
        jaw_half_width: Half width at the corners of the jaw.
        chin_half_width: Half width of the flat part of the chin.
        face_length: Distance from eye line to chin.
        forehead_height: Distance from eye line to hairline.
        eye_half_distance: Half the distance between the eye centres.
        eye_width: Distance between the corners of an eye.
        eye_height: Distance from eye line to upper lid.
        eye_slant: Height of the outer above the inner corner.
        iris_radius: Radius of the iris.
        lash_strength: Thickness of the upper lash line, from 0 to 1.
        brow_height: Distance from eye line to brow.
        brow_thickness: Maximum thickness.
        brow_arch: Height of the arch.
        nose_length: Distance from eye line to the base of the nose.
        nose_half_width: Half width at the wings.
        mouth_drop: Distance from the base of the nose to the line between the lips.
        mouth_width: Distance between the corners of the mouth.
        upper_lip: Height of the upper lip.
        lower_lip: Height of the lower lip.
        lip_redness: From 0 (skin) to 1 (lipstick).
        hair_style: Hair style.
        hair_volume: Thickness of the hair over the skull.
        parting: Side of the parting, from -1 (viewer's left) to 1.
        beard: Facial hair.
        glasses: Whether glasses are worn.
        freckles: Number of freckles.
        skin: Skin colour.
        hair: Hair colour.
        iris: Eye colour.
        detail_seed: Seed of freckles and strands.
    """

    cheek_half_width: float
    jaw_half_width: float
    chin_half_width: float
    face_length: float
    forehead_height: float
    eye_half_distance: float
    eye_width: float
    eye_height: float
    eye_slant: float
    iris_radius: float
    lash_strength: float
    brow_height: float
    brow_thickness: float
    brow_arch: float
    nose_length: float
    nose_half_width: float
    mouth_drop: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    lip_redness: float
    hair_style: HairStyle
    hair_volume: float
    parting: float
    beard: Beard
    glasses: bool
    freckles: int
    skin: Color
    hair: Color
    iris: Color
    detail_seed: int


# Frequency of each style for faces with softer (first) and with stronger features (second).
_HAIR_STYLES: dict[HairStyle, tuple[float, float]] = {
    "crop": (0.05, 0.34),
    "side_part": (0.10, 0.28),
    "long": (0.30, 0.04),
    "bob": (0.24, 0.02),
    "curly": (0.16, 0.12),
    "bun": (0.15, 0.02),
    "receding": (0.00, 0.10),
    "bald": (0.00, 0.08),
}
_BEARDS: dict[Beard, float] = {"none": 0.5, "stubble": 0.22, "full": 0.2, "moustache": 0.08}


def sample_person(rng: np.random.Generator) -> Person:
    """Sample a person: half of them with softer, half with stronger features."""
    strong = int(rng.random() < 0.5)
    tone = int(rng.integers(len(SKIN_TONES)))
    dark = tone >= 4
    hair_weights = (
        np.array([5, 4, 3, 2, 1.4, 1.4, 1.0, 1.0, 0.5])
        if not dark
        else np.array([8, 3, 1, 0, 0, 0, 0, 0.8, 0.4])
    )
    iris_weights = np.array([2, 2, 1.5, 1.5, 2, 1.5]) if not dark else np.array([4, 3, 1, 0.3, 0, 0])
    styles = tuple(_HAIR_STYLES)
    style = styles[_choose(rng, np.array([_HAIR_STYLES[name][strong] for name in styles]))]
    beards = tuple(_BEARDS)
    cheek = _between(rng, 1.02, 1.19)
    return Person(
        cheek_half_width=cheek,
        jaw_half_width=cheek * (_between(rng, 0.70, 0.84) + 0.06 * strong),
        chin_half_width=_between(rng, 0.20, 0.34) + 0.07 * strong,
        face_length=_between(rng, 1.66, 1.92),
        forehead_height=_between(rng, 0.92, 1.14),
        eye_half_distance=_between(rng, 0.47, 0.54),
        eye_width=_between(rng, 0.46, 0.54),
        eye_height=_between(rng, 0.12, 0.175) - 0.01 * strong,
        eye_slant=_between(rng, -0.01, 0.085),
        iris_radius=_between(rng, 0.112, 0.13),
        lash_strength=_between(rng, 0.5, 1.0) - 0.4 * strong,
        brow_height=_between(rng, 0.29, 0.38) - 0.02 * strong,
        brow_thickness=_between(rng, 0.045, 0.075) + 0.025 * strong,
        brow_arch=_between(rng, 0.02, 0.09) * (1.0 - 0.5 * strong),
        nose_length=_between(rng, 0.66, 0.82),
        nose_half_width=_between(rng, 0.20, 0.28) + 0.02 * strong + 0.03 * dark,
        mouth_drop=_between(rng, 0.30, 0.40),
        mouth_width=_between(rng, 0.70, 0.90),
        upper_lip=_between(rng, 0.065, 0.115) + 0.02 * dark - 0.015 * strong,
        lower_lip=_between(rng, 0.10, 0.155) + 0.02 * dark - 0.015 * strong,
        lip_redness=_between(rng, 0.30, 0.85) - 0.25 * strong,
        hair_style=style,
        hair_volume=_between(rng, 0.14, 0.30),
        parting=float(rng.choice([-1.0, 1.0])) * _between(rng, 0.3, 0.6),
        beard=beards[_choose(rng, np.array(list(_BEARDS.values())))] if strong else "none",
        glasses=bool(rng.random() < 0.15),
        freckles=int(rng.integers(18, 50)) if tone <= 2 and rng.random() < 0.25 else 0,
        skin=_vary(rng, SKIN_TONES[tone], 6.0),
        hair=_vary(rng, HAIR_COLORS[_choose(rng, hair_weights)], 6.0),
        iris=_vary(rng, IRIS_COLORS[_choose(rng, iris_weights)], 8.0),
        detail_seed=int(rng.integers(2**31)),
    )


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """Sample the mean of two uniform numbers in [low, high] (triangular distribution)."""
    return float(low + (high - low) * (rng.random() + rng.random()) / 2.0)


def _choose(rng: np.random.Generator, weights: npt.NDArray[np.float64]) -> int:
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def _vary(rng: np.random.Generator, color: Color, spread: float) -> Color:
    red, green, blue = np.clip(
        np.array(color) + rng.normal(0.0, spread / 2) + rng.normal(0.0, spread / 2, 3), 0, 255
    )
    return float(red), float(green), float(blue)
