"""Configuration of the task losses, and of the angular margin of face recognition."""

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
    """Threshold, in units of the image's side."""


class Wing(Config):
    """width·ln(1 + |e| / curvature) up to width, linear beyond (Feng et al. 2018)."""

    kind: Literal["wing"]
    width: Positive = 0.04
    """Half width of the logarithmic part, in units of the image's side; the paper uses 10 of 256 px."""
    curvature: Positive = 0.008
    """Curvature, in units of the image's side; the paper uses 2 px."""


LandmarkLossConfig = Annotated[MeanSquaredError | SmoothL1 | Wing, Field(discriminator="kind")]


class CrossEntropyConfig(Config):
    """Cross-entropy, with optional weights of the classes."""

    class_weights: Literal["none", "inverse_frequency", "effective_number"] = "none"
    effective_number_beta: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999
    """For `effective_number` (Cui et al. 2019): 0: equal weights, near 1: as `inverse_frequency`."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    focal_gamma: NonNegative = 0.0
    """Focal loss: factor (1 - p)^gamma on the cross-entropy (Lin et al. 2017); 0: plain cross-entropy."""


class LossConfig(CrossEntropyConfig):
    """Losses of expression and landmarks in a configuration without `tasks`."""

    landmarks: LandmarkLossConfig = MeanSquaredError(kind="mse")


class Concordance(Config):
    """1 - CCC, the concordance correlation coefficient of each column over a step (Lin 1989)."""

    kind: Literal["ccc"]


RegressionLossConfig = Annotated[MeanSquaredError | SmoothL1 | Concordance, Field(discriminator="kind")]


class _Margin(Config):
    scale: Positive = 64.0
    """Factor of the cosines before the softmax."""


class ArcFaceMargin(_Margin):
    """cos(θ + margin) (Deng et al. 2019)."""

    kind: Literal["arcface"]
    margin: NonNegative = 0.5
    """Angular margin, in radians."""
    easy_margin: bool = False
    """Apply the margin only where the cosine to the class centre is positive."""


class CosFaceMargin(_Margin):
    """cos θ - margin (Wang et al. 2018)."""

    kind: Literal["cosface"]
    margin: NonNegative = 0.35


class AdaFaceMargin(_Margin):
    """Margin that adapts to image quality (Kim et al. 2022)."""

    kind: Literal["adaface"]
    margin: NonNegative = 0.4
    concentration: Positive = 0.333
    """The paper's h: scale of the normalised feature norm, the measure of image quality."""


MarginConfig = Annotated[ArcFaceMargin | CosFaceMargin | AdaFaceMargin, Field(discriminator="kind")]
