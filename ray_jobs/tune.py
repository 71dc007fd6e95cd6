"""`faceml tune`: Ray Tune searches the settings of the multitask training."""

import logging
import time
from pathlib import Path
from typing import Any

import ray.tune
import torch
from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator
from rich.console import Console

from faceml.atomic import write_text
from faceml.config.base import ConfigError
from faceml.config.loading import assign_keys, dump_config, parse_config
from faceml.config.train import TrainConfig
from faceml.config.tune import Dimension, TuneConfig
from faceml.reporting.extraction import write_summary
from faceml.reporting.progress import ProgressReport
from faceml.reporting.tuning import Trial, leaderboard_table, ranked, shown
from faceml.training.multitask import build_faces, build_trainer, steps_per_epoch
from faceml.training.observer import EpochRecord, StepRecord
from ray_jobs.cluster import RayCluster, require_resources
from ray_jobs.run_folders import enter_run_folder

METRIC = "val/accuracy"
BEST_CONFIG_FILE = "best_config.yaml"

logger = logging.getLogger(__name__)


def run(config: TuneConfig) -> list[Trial]:
    """Search, and return the trials, the best one first.

    Raises:
        ConfigError: A key or value of the search that the training refuses, data or resources that do not
            fit; found before any trial starts.
    """
    started_s = time.monotonic()
    check_search(config)
    steps_per_epoch(config.train, build_faces(config.train.data))
    enter_run_folder(config.run.folder, config)
    with RayCluster():
        require_resources(_resources(config), "trial")
        trials = ranked(_search(config))
    best = trials[0]
    if best.error:
        raise RuntimeError(f"All {len(trials)} trials failed; the best one with: {best.error}")
    best_config = trial_config(config, best.settings, config.run.folder / "best")
    write_text(config.run.folder / BEST_CONFIG_FILE, dump_config(best_config))
    summary = {
        "trials": [trial.as_json() for trial in trials],
        "best": best.as_json(),
        "wall_s": round(time.monotonic() - started_s, 2),
    }
    write_summary(summary, config.run.folder)
    return trials


def show(trials: list[Trial], config: TuneConfig, console: Console) -> None:
    """Print the leaderboard, and how to train with the best settings."""
    console.print(leaderboard_table(trials))
    best = config.run.folder / BEST_CONFIG_FILE
    console.print(f"Train with the best settings: faceml train --config {best}", soft_wrap=True)


def check_search(config: TuneConfig) -> None:
    """Try every value that a search may choose, each by itself, on the training configuration.

    Raises:
        ConfigError: The training has no such key, or refuses the value.
    """
    for key, dimension in config.search.items():
        values = [dimension.low, dimension.high] if "low" in dimension.model_fields_set else dimension.values
        for value in values:
            trial_config(config, {key: value}, config.run.folder)


def trial_config(config: TuneConfig, settings: dict[str, Any], folder: Path) -> TrainConfig:
    """Return the training configuration of a trial: the common one with the trial's settings in it.

    Raises:
        ConfigError: The settings do not fit the training configuration.
    """
    raw = assign_keys(config.train.model_dump(mode="json"), settings | {"run.folder": str(folder)})
    return parse_config(TrainConfig, raw)
