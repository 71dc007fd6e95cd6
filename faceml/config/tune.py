"""Configuration of hyper-parameter search over multitask training."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from faceml.config.base import Config, Count, CountOrZero, NonNegative, Seed, StorageUri
from faceml.config.loading import assign_keys, parse_config
from faceml.config.search_space import Choice, Grid, SearchSpace
from faceml.config.train import TrainConfig

METRIC_MODES: dict[str, Literal["max", "min"]] = {
    "val/accuracy": "max",
    "val/macro_f1": "max",
    "val/landmark_mse": "min",
    "val/nme_interocular": "min",
}
"""What a search may be judged on, and whether more of it is better or less."""


def _no_total(metric: Any) -> Any:
    if isinstance(metric, str) and "loss" in metric:
        raise ValueError(
            "weightings have different totals, which cannot be compared; judge on one of "
            + ", ".join(METRIC_MODES)
        )
    return metric


Metric = Annotated[
    Literal["val/accuracy", "val/macro_f1", "val/landmark_mse", "val/nme_interocular"],
    BeforeValidator(_no_total),
]


class RandomSearcher(Config):
    """Values are drawn before the search starts, once for a round and all combinations of its grids."""

    kind: Literal["random"]


class GridSearcher(Config):
    """Every value of every dimension with every other, once; there are no ranges and no rounds."""

    kind: Literal["grid"]


class TPESearcher(Config):
    """Tree-structured Parzen estimator (Bergstra et al. 2011), of Optuna: draws where trials went well.

    Every combination of the grids is searched on its own, so that each has its own best values. Seeds share
    theirs, and count by the mean.
    """

    kind: Literal["tpe"]
    startup_rounds: Count = 5
    """Rounds at random, before it knows enough."""


SearcherConfig = Annotated[RandomSearcher | GridSearcher | TPESearcher, Field(discriminator="kind")]


class AshaConfig(Config):
    """Asynchronous successive halving (Li et al. 2020)."""

    kind: Literal["asha"]
    grace_epochs: Count = 1
    """No trial is stopped before."""
    reduction_factor: Annotated[int, Field(strict=True, ge=2)] = 2
    """One in this many trials goes on at each rung."""


class MedianConfig(Config):
    """Median stopping (Golovin et al. 2017): ends trials whose best is worse than the median of the means."""

    kind: Literal["median"]
    grace_epochs: Count = 1
    """No trial is stopped before."""
    min_trials: Count = 3
    """Other trials that must have come as far before any is stopped."""


class NoScheduler(Config):
    """Every trial runs to its end."""

    kind: Literal["none"]


SchedulerConfig = Annotated[AshaConfig | MedianConfig | NoScheduler, Field(discriminator="kind")]


class TrialResources(Config):
    """What one trial holds while it runs; as many run at once as there is room for."""

    workers: Count = 1
    """Processes that train one trial together; more than one are a group of Ray Train each."""
    cpus: Count | Literal["auto"] = "auto"
    """CPUs and PyTorch threads of each worker; auto shares out the CPUs of the machine or cluster."""
    gpus: NonNegative = 0.0
    """Of each worker; a fraction shares a GPU between trials."""
    checkpoint_every_s: NonNegative = 30.0
    """At the end of an epoch, at most so often; what an interrupted trial loses."""
    restarts: CountOrZero = 1
    """A trial whose process dies, as with its machine, goes on in another this often."""

    @model_validator(mode="after")
    def _gpus_are_whole_or_shared(self) -> Self:
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise ValueError(f"gpus {self.gpus:g} is more than one GPU and not a whole number")
        return self


class RetrainConfig(Config):
    """Training with the best settings at once, from several seeds."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1, 2)
    epochs: Count | None = None
    """Of each; null: as many as a trial gets at most."""

    @model_validator(mode="after")
    def _no_seed_twice(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {list(self.seeds)}: one is there twice, and would train the same twice")
        return self


class TuneRunConfig(Config):
    """Where results go."""

    folder: StorageUri
    """A path or a URI such as `s3://bucket/runs/search`."""


class TuneConfig(Config):
    """`faceml tune`: which settings of a training suit these faces."""

    train: TrainConfig
    """The training that every trial starts from; its epochs are the most that a trial gets."""
    search: SearchSpace
    """Dotted keys of the training configuration, and the values to try."""
    num_trials: Count = 8
    """Rounds of the whole grid; the number of trials where there is no grid."""
    metric: Metric = "val/accuracy"
    """Of a task on the validation split; trials are judged on their best epoch."""
    searcher: SearcherConfig = RandomSearcher(kind="random")
    scheduler: SchedulerConfig = AshaConfig(kind="asha")
    trial: TrialResources = TrialResources()
    retrain: RetrainConfig | None = None
    """Null: not at once; `--retrain` does so with the defaults."""
    run: TuneRunConfig
    seed: Seed = 0

    @model_validator(mode="after")
    def _a_grid_has_no_ranges(self) -> Self:
        ranges = [key for key, found in self.search.items() if not isinstance(found, Choice | Grid)]
        if self.searcher.kind == "grid" and ranges:
            raise ValueError(
                f"searcher.kind: grid tries every value, and search.{ranges[0]} is a range. List its values "
                "with kind: grid, or set searcher.kind=random"
            )
        return self

    @model_validator(mode="after")
    def _draws_from_disk(self) -> Self:
        if self.train.data.ingest == "stream":
            raise ValueError("train.data.ingest: stream is for one training; trials need ingest: map")
        return self

    @model_validator(mode="after")
    def _seeds_are_repeated(self) -> Self:
        seeds = self.search.get("seed")
        if self.searcher.kind == "tpe" and seeds and (seeds.when or not isinstance(seeds, Grid)):
            raise ValueError(
                "search.seed: under searcher.kind: tpe seeds are repeated, not searched: use kind: grid "
                "without `when`"
            )
        return self


def build_trial_config(config: TuneConfig, settings: dict[str, Any], folder: str | Path) -> TrainConfig:
    """Return the training configuration of a trial: the common one with the trial's settings in it.

    Args:
        config: Of the search.
        settings: Of the trial, by dotted keys.
        folder: Of its run, a path or URI.

    Raises:
        ConfigError: The settings do not fit the training configuration.
    """
    raw = assign_keys(config.train.model_dump(mode="json"), settings | {"run.folder": str(folder)})
    return parse_config(TrainConfig, raw, "train")


def build_running_trial(
    config: TuneConfig, settings: dict[str, Any], folder: str | Path, cpus: int = 1
) -> TrainConfig:
    """Return what a trial really runs: `build_trial_config` with the resources of `trial`.

    Raises:
        ConfigError: Settings or resources do not fit the training configuration.
    """
    resources = {
        "scaling.num_train_workers": config.trial.workers,
        "scaling.cpus_per_worker": cpus,
        "scaling.use_gpu": config.trial.gpus > 0,
    }
    return build_trial_config(config, settings | resources, folder)
