"""Configuration of the weighting of the task losses."""

from collections.abc import Collection
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from faceml.config.base import Config, Fraction, NonNegative, Positive


class _Weighting(Config):
    needs_whole_steps: ClassVar[bool] = False
    """True if the weights of a step depend on its losses, so that its batches cannot be accumulated."""


class ConstantWeighting(_Weighting):
    """Constant weights λ, given by the names of the tasks."""

    lambdas: dict[str, NonNegative] = {}
    """Weight λ of each task by its name; tasks that are not named have 1."""
    lambda_expression: NonNegative = 1.0
    """Weight of the task `expression`, unless `lambdas` has one."""
    lambda_landmarks: NonNegative = 1.0
    """Weight of the task `landmarks`, unless `lambdas` has one."""

    @model_validator(mode="after")
    def _each_task_once(self) -> Self:
        # The keys are compared by value: a written configuration contains defaults.
        twice = sorted(self.lambdas.keys() & self._by_own_key().keys())
        if twice:
            raise ValueError(
                f"lambda_{twice[0]} and lambdas.{twice[0]} are the same weight; remove lambda_{twice[0]}"
            )
        return self

    def weights(self) -> dict[str, float]:
        """Return the weights other than 1, and those in `lambdas`, by task."""
        return self._by_own_key() | self.lambdas

    def _by_own_key(self) -> dict[str, float]:
        given = {"expression": self.lambda_expression, "landmarks": self.lambda_landmarks}
        return {task: weight for task, weight in given.items() if weight != 1.0}


class FixedWeighting(ConstantWeighting):
    """total = Σ λ·L."""

    kind: Literal["fixed"]


class PCGradWeighting(ConstantWeighting):
    """As `fixed`; conflicting gradients are projected onto each other's normal plane (Yu et al. 2020)."""

    kind: Literal["pcgrad"]


class DWAWeighting(_Weighting):
    """Dynamic weight average (Liu et al. 2019): larger weights for tasks whose loss decreases more slowly."""

    kind: Literal["dwa"]
    temperature: Positive = 2.0
    """Softmax temperature; larger values make the weights more equal."""


class RLWWeighting(_Weighting):
    """Random loss weighting (Lin et al. 2022): weights sampled in every step."""

    kind: Literal["rlw"]


class FAMOWeighting(_Weighting):
    """Fast adaptive multitask optimization (Liu et al. 2023): equal relative decrease of all losses."""

    needs_whole_steps = True
    kind: Literal["famo"]
    learning_rate: Positive = 0.025
    """Learning rate of the weights."""
    decay: NonNegative = 0.001
    """Weight decay of the logits; larger values make the weights more equal."""


class UWSOWeighting(_Weighting):
    """Soft optimal uncertainty weighting (UW-SO, Kirchdorfer et al. 2024): weights softmax((1/L) / T)."""

    needs_whole_steps = True
    kind: Literal["uw_so"]
    temperature: Positive = 100.0
    """Softmax temperature T, of the order of the largest 1/L; larger values make the weights more equal."""


class GLSWeighting(_Weighting):
    """Geometric loss strategy (GLS, Chennupati et al. 2019): total = (Π L)^(1/K) of K tasks."""

    needs_whole_steps = True
    kind: Literal["gls"]


class DBMTLWeighting(_Weighting):
    """Dual balancing (DB-MTL, Lin et al. 2023): log losses, and gradients scaled to the largest norm."""

    needs_whole_steps = True
    kind: Literal["db_mtl"]
    decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    """Decay β of the moving average of each task's gradient; 0: no average."""
    decay_exponent: Fraction = 0.0
    """Exponent p of the decay in step k, β / k^p; 0: constant, 0.5: the average becomes shorter."""


class LearnedWeighting(_Weighting):
    """Weights exp(-s), where s is a learned parameter of each task."""

    initial_log_var: float = 0.0
    """Initial value of s = log σ² of every task."""
    max_abs_log_var: Positive = 2.0
    """Largest absolute value of s; with 2, exp(-s) is between 0.14 and 7.4.

    Of the limits 10, 4 and 2, the largest one with which expressions were recognised about as well as with
    fixed weights on photographs (docs/studies.md).
    """
    learning_rate: Positive = 0.01
    """Learning rate of the log-variances, which have no weight decay."""

    @model_validator(mode="after")
    def _starts_within_its_limit(self) -> Self:
        if abs(self.initial_log_var) > self.max_abs_log_var:
            raise ValueError(
                f"initial_log_var: {self.initial_log_var:g} exceeds max_abs_log_var: "
                f"{self.max_abs_log_var:g}. Raise max_abs_log_var"
            )
        return self


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
    | FAMOWeighting
    | UWSOWeighting
    | GLSWeighting
    | DBMTLWeighting,
    Field(discriminator="kind"),
]


def refuse_unknown_tasks(weighting: WeightingConfig, names: Collection[str]) -> None:
    """Refuse weights of tasks that do not exist.

    Args:
        weighting: Weighting of the tasks.
        names: Names of the tasks.

    Raises:
        ValueError: A weight is that of another task.
    """
    if not isinstance(weighting, ConstantWeighting):
        return
    for task in weighting.weights():
        if task not in names:
            key = "lambdas" if task in weighting.lambdas else f"lambda_{task}"
            raise ValueError(f"weighting.{key}: {task} is not a task; the tasks are {', '.join(names)}")
