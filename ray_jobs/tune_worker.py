"""One trial of a search: what runs in each process that Ray Tune starts."""

from pathlib import Path
from typing import Any

import ray.tune
import torch

from faceml.config.loading import parse_config
from faceml.config.tune import TuneConfig, build_trial_config
from faceml.training.multitask import build_trainer
from faceml.training.observer import BrokenStep, EpochRecord, StepRecord
from faceml.training.run_folder import write_broken_step


def run_trial(settings: dict[str, Any], plain: dict[str, Any]) -> None:
    """Train one trial in this process; a group of workers for each would wait for each other's CPUs."""
    config = parse_config(TuneConfig, plain)
    alone = {
        "scaling.num_train_workers": 1,
        "scaling.cpus_per_worker": config.trial.cpus,
        "scaling.use_gpu": config.trial.gpus > 0,
    }
    train = build_trial_config(config, settings | alone, config.run.folder)
    torch.set_num_threads(config.trial.cpus)
    device = torch.device("cuda" if config.trial.gpus else "cpu")
    build_trainer(train, device).fit(train.training.epochs, _TuneObserver(Path.cwd()))


class _TuneObserver:
    """Report epochs to Ray Tune, which may stop the trial there.

    Args:
        folder: Of the trial.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_step(self, record: StepRecord) -> None:
        """Steps are too fine for a search."""

    def on_epoch(self, record: EpochRecord) -> None:
        ray.tune.report({"epoch": record.epoch, **record.metrics})

    def on_broken_step(self, record: BrokenStep) -> None:
        write_broken_step(record, 0, self._folder)
