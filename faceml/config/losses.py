"""Configuration of the task losses, of their weighting, and of the angular margin of face recognition."""

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


class FixedWeighting(Config):
    """total = lambda_expression * L_expression + lambda_landmarks * L_landmarks."""

    kind: Literal["fixed"]
    lambda_expression: NonNegative = 1.0
    lambda_landmarks: NonNegative = 1.0


class PCGradWeighting(Config):
    """As `fixed`; of gradients that disagree, each loses its part against the other (Yu et al. 2020)."""

    kind: Literal["pcgrad"]
    lambda_expression: NonNegative = 1.0
    lambda_landmarks: NonNegative = 1.0


class DWAWeighting(Config):
    """Dynamic weight average (Liu et al. 2019): a task weighs the more the less its loss fell."""

    kind: Literal["dwa"]
    temperature: Positive = 2.0
    """The larger, the more alike."""


class RLWWeighting(Config):
    """Random loss weighting (Lin et al. 2022): drawn anew for every step."""

    kind: Literal["rlw"]


class FAMOWeighting(Config):
    """Fast adaptive multitask optimization (Liu et al. 2023): all losses fall at the same relative speed."""

    kind: Literal["famo"]
    learning_rate: Positive = 0.025
    decay: NonNegative = 0.001
    """Draws the weights together."""


class LearnedWeighting(Config):
    """Weights exp(-s), s being a parameter of the training."""

    initial_log_var: float = 0.0
    """Start of s = log σ² of every task."""
    max_abs_log_var: Positive = 10.0
    """s is kept within ± this, so that no task is switched off or blown up for good."""
    learning_rate: Positive = 0.01
    """Learning rate of the log-variances; they have no weight decay."""


class UncertaintyWeighting(LearnedWeighting):
    """total = Σ exp(-s)·L + s."""

    kind: Literal["uncertainty"]


class UncertaintyKendallWeighting(LearnedWeighting):
    """Kendall et al. 2018, eq. 10: exp(-s_c)·L_c + s_c/2 for classification, exp(-s_r)·L_r/2 + s_r/2 else."""

    kind: Literal["uncertainty_kendall"]


class UncertaintyRevisedWeighting(LearnedWeighting):
    """Liebel & Körner 2018: total = Σ exp(-s)·L/2 + ln(1 + exp(s)), never negative."""

    kind: Literal["uncertainty_revised"]


WeightingConfig = Annotated[
    FixedWeighting
    | UncertaintyWeighting
    | UncertaintyKendallWeighting
    | UncertaintyRevisedWeighting
    | PCGradWeighting
    | DWAWeighting
    | RLWWeighting
    | FAMOWeighting,
    Field(discriminator="kind"),
]


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
