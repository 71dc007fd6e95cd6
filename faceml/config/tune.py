"""Configuration of hyper-parameter search over multitask training."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from faceml.config.base import Config, Count, NonNegative, OutputFolder, Positive, Seed
from faceml.config.loading import assign_keys, parse_config
from faceml.config.train import TrainConfig


class Choice(Config):
    """One of the values, each as likely."""

    kind: Literal["choice"]
    values: Annotated[tuple[Any, ...], Field(min_length=1)]


class Grid(Config):
    """Every value, with every value of the other grids; `num_trials` counts rounds of the whole grid."""

    kind: Literal["grid"]
    values: Annotated[tuple[Any, ...], Field(min_length=1)]


class _Range(Config):
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        return self


class Uniform(_Range):
    """Any value between low and high."""

    kind: Literal["uniform"]


class LogUniform(_Range):
    """Any value between low and high, every order of magnitude as likely."""

    kind: Literal["loguniform"]
    low: Positive


Dimension = Annotated[Choice | Grid | Uniform | LogUniform, Field(discriminator="kind")]


class AshaConfig(Config):
    """Asynchronous successive halving (Li et al. 2020) on validation accuracy."""

    grace_epochs: Count = 1
    """No trial is stopped before."""
    reduction_factor: Annotated[int, Field(strict=True, ge=2)] = 2
    """One in this many trials goes on at each rung."""


class TrialResources(Config):
    """What one trial holds while it runs; as many run at once as the machine has room for."""

    cpus: Count = 1
    gpus: NonNegative = 0.0
    """A fraction shares a GPU between trials."""


class TuneRunConfig(Config):
    """Where results go."""

    folder: OutputFolder


class TuneConfig(Config):
    """`faceml tune`: which settings of a training suit these faces."""

    train: TrainConfig
    """The training that every trial starts from; its epochs are the most that a trial gets."""
    search: Annotated[dict[str, Dimension], Field(min_length=1)]
    """Dotted keys of the training configuration, and the values to try."""
    num_trials: Count = 8
    scheduler: AshaConfig | None = AshaConfig()
    """Null lets every trial run to its end."""
    trial: TrialResources = TrialResources()
    run: TuneRunConfig
    seed: Seed = 0


def build_trial_config(config: TuneConfig, settings: dict[str, Any], folder: Path) -> TrainConfig:
    """Return the training configuration of a trial: the common one with the trial's settings in it.

    Raises:
        ConfigError: The settings do not fit the training configuration.
    """
    raw = assign_keys(config.train.model_dump(mode="json"), settings | {"run.folder": str(folder)})
    return parse_config(TrainConfig, raw, "train")
