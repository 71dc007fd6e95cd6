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
    """Threshold, in units of the image's side."""


class Wing(Config):
    """width·ln(1 + |e| / curvature) up to width, linear beyond (Feng et al. 2018)."""

    kind: Literal["wing"]
    width: Positive = 0.04
    """Half width of the logarithmic part, in units of the image's side; the paper uses 10 of 256 px."""
    curvature: Positive = 0.008
    """Curvature, in units of the image's side; the paper uses 2 px."""


LandmarkLossConfig = Annotated[MeanSquaredError | SmoothL1 | Wing, Field(discriminator="kind")]


class LossConfig(Config):
    """Losses of expression classification and of landmark regression."""

    class_weights: Literal["none", "inverse_frequency", "effective_number"] = "none"
    effective_number_beta: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999
    """For `effective_number` (Cui et al. 2019): 0: equal weights, near 1: as `inverse_frequency`."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    focal_gamma: NonNegative = 0.0
    """Focal loss: factor (1 - p)^gamma on the cross-entropy (Lin et al. 2017); 0: plain cross-entropy."""
    landmarks: LandmarkLossConfig = MeanSquaredError(kind="mse")


class FixedWeighting(Config):
    """total = lambda_expression * L_expression + lambda_landmarks * L_landmarks."""

    kind: Literal["fixed"]
    lambda_expression: NonNegative = 1.0
    lambda_landmarks: NonNegative = 1.0


class PCGradWeighting(Config):
    """As `fixed`; conflicting gradients are projected onto each other's normal plane (Yu et al. 2020)."""

    kind: Literal["pcgrad"]
    lambda_expression: NonNegative = 1.0
    lambda_landmarks: NonNegative = 1.0


class DWAWeighting(Config):
    """Dynamic weight average (Liu et al. 2019): larger weights for tasks whose loss decreases more slowly."""

    kind: Literal["dwa"]
    temperature: Positive = 2.0
    """Softmax temperature; larger values make the weights more equal."""


class RLWWeighting(Config):
    """Random loss weighting (Lin et al. 2022): weights sampled in every step."""

    kind: Literal["rlw"]


class FAMOWeighting(Config):
    """Fast adaptive multitask optimization (Liu et al. 2023): equal relative decrease of all losses."""

    kind: Literal["famo"]
    learning_rate: Positive = 0.025
    """Learning rate of the weights."""
    decay: NonNegative = 0.001
    """Weight decay of the logits; larger values make the weights more equal."""


class LearnedWeighting(Config):
    """Weights exp(-s), where s is a learned parameter of each task."""

    initial_log_var: float = 0.0
    """Initial value of s = log σ² of every task."""
    max_abs_log_var: Positive = 10.0
    """Largest absolute value of s, so that no task loses all weight or dominates permanently."""
    learning_rate: Positive = 0.01
    """Learning rate of the log-variances, which have no weight decay."""


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
