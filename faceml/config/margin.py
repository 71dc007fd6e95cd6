"""The margin between people in a training of recognition."""

from typing import Annotated, Literal

from pydantic import Field

from faceml.config.base import Config, NonNegative, Positive


class _Margin(Config):
    scale: Positive = 64.0
    """What cosines are multiplied by before the softmax."""


class ArcFaceMargin(_Margin):
    """cos(θ + margin) (Deng et al. 2019)."""

    kind: Literal["arcface"]
    margin: NonNegative = 0.5
    """Radians."""
    easy_margin: bool = False
    """Faces nearer to the opposite of their person than to it are spared the margin."""


class CosFaceMargin(_Margin):
    """cos θ - margin (Wang et al. 2018)."""

    kind: Literal["cosface"]
    margin: NonNegative = 0.35


class AdaFaceMargin(_Margin):
    """A margin that depends on how good an image is (Kim et al. 2022)."""

    kind: Literal["adaface"]
    margin: NonNegative = 0.4
    concentration: Positive = 0.333
    """The paper's h: how soon an image counts as good or bad."""


MarginConfig = Annotated[ArcFaceMargin | CosFaceMargin | AdaFaceMargin, Field(discriminator="kind")]
