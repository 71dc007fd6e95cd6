"""Configuration of hyperparameter search over multitask training."""

from itertools import count, islice
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from faceml.config.base import Config, Count, CountOrZero, NonNegative, Seed, StorageUri
from faceml.config.config_error import ConfigError
from faceml.config.loading import assign_keys, parse_config
from faceml.config.sections.search_space import ARM, Arm, ArmName, Choice, Grid, SearchSpace, ends
from faceml.config.train import TrainConfig

NUM_RETRAININGS = 3


def _no_total(metric: Any) -> Any:
    if isinstance(metric, str) and "loss" in metric:
        raise ValueError(
            "the losses of different weightings cannot be compared; use a metric such as expression/accuracy"
        )
    return metric


Metric = Annotated[str, BeforeValidator(_no_total)]


class RandomSearcher(Config):
    """Random search: values are sampled once per round and shared by all combinations of the grids."""

    kind: Literal["random"]


class GridSearcher(Config):
    """Grid search: all combinations of all values, once, without ranges."""

    kind: Literal["grid"]


class TPESearcher(Config):
    """Tree-structured Parzen estimator (Bergstra et al. 2011) of Optuna.

    Every combination of the grids is searched separately and has its own best values. Seeds share values, and
    are scored by their mean.
    """

    kind: Literal["tpe"]
    startup_rounds: Count = 5
    """Number of initial rounds of random search."""


SearcherConfig = Annotated[RandomSearcher | GridSearcher | TPESearcher, Field(discriminator="kind")]


class AshaConfig(Config):
    """Asynchronous successive halving (Li et al. 2020)."""

    kind: Literal["asha"]
    grace_epochs: Count = 1
    """Number of epochs before a trial may be stopped."""
    reduction_factor: Annotated[int, Field(strict=True, ge=2)] = 2
    """Reciprocal of the fraction of trials that continue at each rung."""


class MedianConfig(Config):
    """Median stopping (Golovin et al. 2017): stops trials whose best is worse than the median mean."""

    kind: Literal["median"]
    grace_epochs: Count = 1
    """Number of epochs before a trial may be stopped."""
    min_trials: Count = 3
    """Number of other trials that must have reached the same epoch before a trial may be stopped."""


class NoScheduler(Config):
    """No early stopping of trials."""

    kind: Literal["none"]


SchedulerConfig = Annotated[AshaConfig | MedianConfig | NoScheduler, Field(discriminator="kind")]


class TrialResources(Config):
    """Resources of one trial; as many trials run in parallel as resources allow."""

    workers: Count = 1
    """Number of training processes of one trial; several form a worker group of Ray Train."""
    cpus: Count | Literal["auto"] = "auto"
    """Number of CPUs and PyTorch threads of each worker; `auto` divides those of the machine or cluster."""
    gpus: NonNegative = 0.0
    """Number of GPUs of each worker; a fraction shares a GPU between trials."""
    checkpoint_every_s: NonNegative = 30.0
    """Minimum time between checkpoints, in seconds; they are written at the end of an epoch."""
    restarts: CountOrZero = 1
    """Number of times that a trial is resumed in a new process after its process or node failed."""

    @model_validator(mode="after")
    def _gpus_are_whole_or_shared(self) -> Self:
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise ValueError(f"gpus {self.gpus:g} is more than one GPU and not a whole number")
        return self


class RetrainConfig(Config):
    """Retraining with the best settings after the search, with several seeds."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] | None = None
    """Random seeds of the retrainings, none of them a seed of the search; null: three others."""
    epochs: Count | None = None
    """Number of epochs of each retraining; null: the largest number of a trial."""

    @model_validator(mode="after")
    def _no_seed_twice(self) -> Self:
        if self.seeds is not None and len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {list(self.seeds)}: contains duplicates; remove them")
        return self


class TuneRunConfig(Config):
    """Location of the results."""

    folder: StorageUri
    """Folder of the results, a path or a URI such as `s3://bucket/runs/search`."""


class TuneConfig(Config):
    """`faceml tune`: hyperparameter search over multitask training."""

    train: TrainConfig
    """Training configuration common to all trials; its epochs are the largest number of a trial."""
    arms: dict[ArmName, Arm] = {}
    """Named settings of several keys each, such as a recipe without one of its parts. A section as a value
    replaces the whole section."""
    search: SearchSpace
    """Search space: dimensions by dotted keys of the training configuration, and `arm`, with `arms` by
    default a grid of all of them."""
    num_trials: Count = 8
    """Number of rounds of the whole grid; without grids, number of trials."""
    metric: Metric | None = None
    """Validation metric such as `expression/macro_f1`, taken from the best epoch of each trial; null: that of
    `train.selection`, or the first task's own."""
    searcher: SearcherConfig = RandomSearcher(kind="random")
    scheduler: SchedulerConfig = AshaConfig(kind="asha")
    trial: TrialResources = TrialResources()
    retrain: RetrainConfig | None = None
    """Retraining with the best settings after the search; null: none, unless `--retrain` is given."""
    run: TuneRunConfig
    seed: Seed = 0

    @model_validator(mode="before")
    @classmethod
    def _searches_arms(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or not isinstance(raw.get("arms"), dict) or not raw["arms"]:
            return raw
        search = raw.get("search") or {}
        if not isinstance(search, dict) or ARM in search:
            return raw
        return raw | {"search": {ARM: {"kind": "grid", "values": list(raw["arms"])}} | search}

    @model_validator(mode="after")
    def _names_its_arms(self) -> Self:
        dimension = self.search.get(ARM)
        values = () if dimension is None else ends(dimension)
        unknown = [value for value in values if value not in self.arms]
        if unknown:
            raise ValueError(
                f"search.arm: '{unknown[0]}' is none of arms: {', '.join(self.arms) or 'there are none'}"
            )
        return self

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
            raise ValueError(
                "train.data.ingest: stream is not supported in a search; trials need ingest: map"
            )
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


def retraining_seeds(config: TuneConfig, settings: RetrainConfig) -> tuple[int, ...]:
    """Return the seeds of the retrainings, none of them a seed of the search.

    The best settings were chosen by the scores of the search's seeds: the same seeds repeat these scores,
    which overestimate the settings.

    Raises:
        ConfigError: A given seed is one of the search.
    """
    if settings.seeds is None:
        return tuple(islice((seed for seed in count() if not _is_searched(config, seed)), NUM_RETRAININGS))
    repeated = [seed for seed in settings.seeds if _is_searched(config, seed)]
    if repeated:
        raise ConfigError(
            f"retrain.seeds: {', '.join(map(str, repeated))}: the search already used these to select the "
            "settings. Use other seeds, or null for three new ones."
        )
    return settings.seeds


def _is_searched(config: TuneConfig, seed: int) -> bool:
    """Return whether a trial of the search may have a seed."""
    dimension = config.search.get("seed")
    if (dimension is None or dimension.when) and seed == config.train.seed:
        return True
    if dimension is None:
        return False
    values = ends(dimension)
    return seed in values if isinstance(dimension, Choice | Grid) else values[0] <= seed <= values[-1]


def build_trial_config(config: TuneConfig, settings: dict[str, Any], folder: str | Path) -> TrainConfig:
    """Return the training configuration of a trial: the common one with the trial's settings.

    Args:
        config: Configuration of the search.
        settings: Settings of the trial by dotted keys; `arm` stands for the settings of an arm.
        folder: Run folder, a path or URI.

    Raises:
        ConfigError: A setting is not valid in the training configuration.
    """
    of_arm = config.arms[settings[ARM]] if ARM in settings else {}
    own = {key: value for key, value in settings.items() if key != ARM}
    raw = assign_keys(config.train.model_dump(mode="json"), of_arm | own | {"run.folder": str(folder)})
    return parse_config(TrainConfig, raw, "train")


def build_running_trial(
    config: TuneConfig, settings: dict[str, Any], folder: str | Path, cpus: int = 1
) -> TrainConfig:
    """Return the configuration of a trial with the resources of `trial`, with which it runs.

    Raises:
        ConfigError: A setting or resource is not valid in the training configuration.
    """
    resources = {
        "scaling.num_train_workers": config.trial.workers,
        "scaling.cpus_per_worker": cpus,
        "scaling.use_gpu": config.trial.gpus > 0,
    }
    return build_trial_config(config, settings | resources, folder)
