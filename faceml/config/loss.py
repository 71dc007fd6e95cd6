"""The task losses, before they are weighed."""

from typing import Annotated, Literal

from pydantic import Field

from faceml.config.base import Config, NonNegative, Positive


class MeanSquaredError(Config):
    """e²."""

    kind: Literal["mse"]


class SmoothL1(Config):
    """e² / (2·beta) up to beta, linear beyond."""

    kind: Literal["smooth_l1"]
    beta: Positive = 0.02
    """In units of the image's side."""


class Wing(Config):
    """width·ln(1 + |e| / curvature) up to width, linear beyond (Feng et al. 2018)."""

    kind: Literal["wing"]
    width: Positive = 0.04
    """In units of the image's side; the paper's 10 px of 256."""
    curvature: Positive = 0.008
    """Likewise; the paper's 2 px."""


LandmarkLossConfig = Annotated[MeanSquaredError | SmoothL1 | Wing, Field(discriminator="kind")]


class LossConfig(Config):
    """Of expressions and of landmarks."""

    class_weights: Literal["none", "inverse_frequency", "effective_number"] = "none"
    effective_number_beta: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999
    """For `effective_number` (Cui et al. 2019): 0 weighs all classes alike, near 1 as `inverse_frequency`."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    focal_gamma: NonNegative = 0.0
    """Faces already classified well count less, by (1 - p)^gamma (Lin et al. 2017); 0: cross-entropy."""
    landmarks: LandmarkLossConfig = MeanSquaredError(kind="mse")
