"""How the task losses become one total: one model for each kind of weighting."""

from typing import Annotated, Literal

from pydantic import Field

from faceml.config.base import Config, NonNegative, Positive


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
