"""`faceml tune`: Ray Tune searches the settings of the multitask training."""

import logging
import math
import time
from itertools import islice, product
from pathlib import Path
from typing import Any

import ray.tune
from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator
from rich.console import Console

from faceml.atomic import write_text
from faceml.config.config_error import ConfigError
from faceml.config.loading import check_inputs, dump_config
from faceml.config.tune import Choice, Dimension, Grid, LogUniform, TuneConfig, build_trial_config
from faceml.models.backbone import build_backbone_from
from faceml.reporting.html import Report, write_report
from faceml.reporting.progress import ProgressReport
from faceml.reporting.tuning import Trial, leaderboard_table, ranked, shown
from faceml.reporting.tuning_report import tuning_chapter
from faceml.run_files import REPORT_FILE, write_summary
from faceml.stopped import StoppedError
from faceml.training.leakage import audit_leakage
from faceml.training.multitask import build_faces, steps_per_epoch
from ray_jobs.cluster import RayCluster, require_resources
from ray_jobs.run_folders import enter_run_folder
from ray_jobs.tune_worker import run_trial

METRIC = "val/accuracy"
BEST_CONFIG_FILE = "best_config.yaml"
TRIALS_FOLDER = "trials"
# A search over many choices has more combinations than are worth trying before it starts.
MOST_COMBINATIONS_TRIED = 1000

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
    audit_leakage(config.train.data)
    if (config.run.folder / TRIALS_FOLDER).exists():
        raise ConfigError(
            f"run.folder: {config.run.folder} holds a search. Choose another folder or remove it."
        )
    with RayCluster():
        require_resources(_resources(config), "trial")
        enter_run_folder(config.run.folder, config)
        trials = ranked(_search(config))
    best = trials[0]
    if best.error:
        raise StoppedError(f"All {len(trials)} trials failed; the best one with: {best.error}")
    best_config = build_trial_config(config, best.settings, config.run.folder / "best")
    write_text(config.run.folder / BEST_CONFIG_FILE, dump_config(best_config))
    summary = {
        "trials": [trial.as_json() for trial in trials],
        "best": best.as_json(),
        "wall_s": round(time.monotonic() - started_s, 2),
    }
    write_summary(summary, config.run.folder)
    answer = f"The best of {len(trials)} trials reached {best.best_accuracy:.1%} validation accuracy."
    chapters = [tuning_chapter(config.run.folder, trials)]
    write_report(Report("Search", answer, chapters), config.run.folder / REPORT_FILE)
    return trials


def show(trials: list[Trial], config: TuneConfig, console: Console) -> None:
    """Print the leaderboard, and how to train with the best settings."""
    console.print(leaderboard_table(trials))
    best = config.run.folder / BEST_CONFIG_FILE
    console.print(f"Train with the best settings: faceml train --config {best}", soft_wrap=True)


def check_search(config: TuneConfig) -> None:
    """Try the values that a search may choose together, of a range its ends, on the training configuration.

    Raises:
        ConfigError: The training has no such key, or refuses a value or a starting weight.
    """
    values = [
        dimension.values if isinstance(dimension, Choice | Grid) else (dimension.low, dimension.high)
        for dimension in config.search.values()
    ]
    together = islice(product(*values), MOST_COMBINATIONS_TRIED)
    tried = [
        build_trial_config(config, dict(zip(config.search, chosen, strict=True)), config.run.folder)
        for chosen in together
    ]
    for model in {trial.model for trial in tried}:
        check_inputs(model, "train.model.")
        build_backbone_from(model)


def _search(config: TuneConfig) -> list[Trial]:
    epochs = config.train.training.epochs
    plain = config.model_dump(mode="json")
    with ProgressReport("tune", _number_of_trials(config) * epochs) as progress:
        results = ray.tune.Tuner(
            ray.tune.with_resources(ray.tune.with_parameters(run_trial, plain=plain), _resources(config)),
            param_space={key: _space(dimension) for key, dimension in config.search.items()},
            tune_config=ray.tune.TuneConfig(
                metric=METRIC,
                mode="max",
                num_samples=config.num_trials,
                search_alg=BasicVariantGenerator(random_state=config.seed),
                scheduler=_scheduler(config),
                reuse_actors=True,  # a new process would import everything again for every trial
                trial_name_creator=_trial_name,
                trial_dirname_creator=_trial_name,
            ),
            run_config=ray.tune.RunConfig(
                storage_path=str(config.run.folder),
                name=TRIALS_FOLDER,
                verbose=0,
                callbacks=[_Watch(progress, epochs)],
            ),
        ).fit()
    return [_trial(results[number], epochs) for number in range(len(results))]


class _Watch(ray.tune.Callback):
    """Tell the progress of a search: epochs done or saved, and the best trial so far."""

    def __init__(self, progress: ProgressReport, max_epochs: int) -> None:
        self._progress = progress
        self._max_epochs = max_epochs
        self._best = 0.0

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune saves its callbacks with the search; a terminal cannot be saved."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[RayTrial], trial: RayTrial, result: dict[str, Any], **_: Any
    ) -> None:
        self._best = max(self._best, result[METRIC])
        self._progress.advance(1, f"best accuracy so far {self._best:.1%}")

    def on_trial_complete(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_: Any) -> None:
        done = trial.last_result.get("epoch", 0)
        settings = ", ".join(f"{key} {shown(value)}" for key, value in trial.config.items())
        accuracy = trial.last_result.get(METRIC, float("nan"))
        logger.info("%s ended after epoch %d at accuracy %.1f %%: %s", trial, done, 100 * accuracy, settings)
        self._progress.advance(self._max_epochs - done, f"best accuracy so far {self._best:.1%}")


def _trial(result: ray.tune.Result, max_epochs: int) -> Trial:
    frame = result.metrics_dataframe
    records = [] if frame is None else frame.to_dict("records")
    return Trial(
        name=Path(result.path).name,
        settings=dict(result.config or {}),
        records=[
            {
                key: value
                for key, value in record.items()
                if key == "epoch" or key.startswith(("train/", "val/"))
            }
            for record in records
        ],
        max_epochs=max_epochs,
        error=str(result.error).strip().splitlines()[-1] if result.error else None,
    )


def _space(dimension: Dimension) -> Any:
    if isinstance(dimension, Grid):
        return ray.tune.grid_search(list(dimension.values))
    if isinstance(dimension, Choice):
        return ray.tune.choice(list(dimension.values))
    sample = ray.tune.loguniform if isinstance(dimension, LogUniform) else ray.tune.uniform
    return sample(dimension.low, dimension.high)


def _scheduler(config: TuneConfig) -> TrialScheduler:
    if config.scheduler is None:
        return FIFOScheduler()  # type: ignore[no-untyped-call]
    return ASHAScheduler(
        time_attr="epoch",
        max_t=config.train.training.epochs,
        grace_period=min(config.scheduler.grace_epochs, config.train.training.epochs),
        reduction_factor=config.scheduler.reduction_factor,
    )


def _number_of_trials(config: TuneConfig) -> int:
    grids = [len(dimension.values) for dimension in config.search.values() if isinstance(dimension, Grid)]
    return config.num_trials * math.prod(grids)


def _resources(config: TuneConfig) -> dict[str, float]:
    gpus = {"GPU": config.trial.gpus} if config.trial.gpus else {}
    return {"CPU": float(config.trial.cpus)} | gpus


def _trial_name(trial: RayTrial) -> str:
    return f"trial_{trial.trial_id.rpartition('_')[2]}"


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("tune")
