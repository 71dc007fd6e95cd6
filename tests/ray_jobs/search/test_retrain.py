"""Results of retrainings that have ended."""

import json
from pathlib import Path

import pytest
import yaml

from faceml.config.loading import assign_keys, parse_config
from faceml.config.tune import RetrainConfig, TuneConfig
from ray_jobs.search.retrain import retrain, retraining_sentence
from tests.reporting.searches import SCORES

SHIPPED = Path(__file__).parents[3] / "configs/tune_multitask.yaml"


def test_retrain__takes_the_metric_at_the_epoch_that_it_chose(tmp_path: Path) -> None:
    """The most accurate epoch is the second one; the landmark error is lowest in the first."""
    raw = assign_keys(
        yaml.safe_load(SHIPPED.read_text(encoding="utf-8")),
        {"run.folder": str(tmp_path), "metric": "val/landmark_mse"},
    )
    config = parse_config(TuneConfig, raw)
    for seed in (5, 6):
        folder = tmp_path / f"retrain/seed_{seed}"
        folder.mkdir(parents=True)
        records = [
            {"epoch": 1, "val/accuracy": 0.5, "val/landmark_mse": 0.001 * seed},
            {"epoch": 2, "val/accuracy": 0.7, "val/landmark_mse": 0.01},
            {"epoch": 3, "val/accuracy": 0.6, "val/landmark_mse": None},
        ]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
        (folder / "summary.json").write_text(json.dumps({"best": records[1]}))
        (folder / "report.html").touch()  # these are not trained again
    found = retrain(config.train, config, RetrainConfig(seeds=(5, 6)))
    assert found["values"] == pytest.approx([0.005, 0.006])
    assert found["mean"] == pytest.approx(0.0055)
    # Student's t with one degree of freedom: 12.706 standard errors, each half the difference.
    assert found["interval"] == pytest.approx(
        (0.0055 - 12.7062 * 0.0005, 0.0055 + 12.7062 * 0.0005), abs=1e-6
    )
    sentence = retraining_sentence(found, SCORES["val/landmark_mse"])
    assert sentence.startswith("Retrained with 2 seeds: mean val/landmark_mse 0.0055")
