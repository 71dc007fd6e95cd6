"""Training with the best settings of a search, from several seeds."""

import logging
import statistics
from typing import Any

from faceml.config import (
    RetrainConfig,
    TrainConfig,
    TuneConfig,
    assign_keys,
    parse_config,
    retraining_seeds,
)
from faceml.metrics import Score
from faceml.runs import REPORT_FILE, TrialFolder
from faceml.search import SEED, Trial, search_score
from faceml.statistics import mean_interval
from faceml.storage import StorageFolder, place_below, translate_outage
from ray_jobs.training import multitask

RETRAIN_FOLDER = "retrain"
RETRAINED = "retrained"
"""Section of the search's summary."""

logger = logging.getLogger(__name__)


def retrain(best: TrainConfig, config: TuneConfig, settings: RetrainConfig) -> dict[str, Any]:
    """Train once from each seed, and return the mean over them with its 95 % interval.

    The value of a seed is that of the epoch with its best value, as of the trials. Seeds that were finished
    before an interruption are not trained again.

    Args:
        best: Training configuration with the best settings.
        config: Configuration of the search.
        settings: Seeds and epochs.

    Raises:
        ConfigError: A seed is one of the search.
    """
    values, seeds, score = list[float](), retraining_seeds(config, settings), search_score(config)
    for seed in seeds:
        seeded = _seeded(best, config, settings, seed)
        if not _is_finished(seeded.run.folder):
            logger.info("Training with the best settings, seed %d", seed)
            multitask.run(seeded)
        records = TrialFolder(seeded.run.folder).records
        trained = Trial(f"seed_{seed}", {SEED: seed}, records, seeded.training.epochs, score=score)
        values.append(trained.best_score)
    interval = mean_interval(values)
    return {
        "metric": score.metric,
        "seeds": list(seeds),
        "values": values,
        "mean": statistics.fmean(values),
        "interval": None if interval is None else list(interval),
    }


def retraining_sentence(result: dict[str, Any], score: Score) -> str:
    """Return the result of retraining, measured by a metric, as a sentence."""
    metric, seeds = result["metric"], len(result["seeds"])
    mean = score.format(result["mean"])
    if result["interval"] is None:
        return f"Retrained with one seed: {metric} {mean}; the variance over seeds is unknown."
    low, high = (score.format(limit) for limit in result["interval"])
    return f"Retrained with {seeds} seeds: mean {metric} {mean}, 95 % interval {low} to {high}."


def _is_finished(run_folder: str) -> bool:
    with translate_outage(run_folder):
        return StorageFolder(run_folder).has(REPORT_FILE)  # training writes it last


def _seeded(best: TrainConfig, config: TuneConfig, settings: RetrainConfig, seed: int) -> TrainConfig:
    folder = place_below(config.run.folder, RETRAIN_FOLDER, f"seed_{seed}")
    changes = {
        "seed": seed,
        "training.epochs": settings.epochs or best.training.epochs,
        "run.folder": folder,
    }
    return parse_config(TrainConfig, assign_keys(best.model_dump(mode="json"), changes))
