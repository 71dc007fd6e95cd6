"""Extraction, training on two workers, search and use of a checkpoint on Ray."""

import json
import logging
import math
import re
import socket
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from faceml.config.config_error import ConfigError
from faceml.config.loading import load_config, parse_config
from faceml.config.sections.model import ModelConfig
from faceml.config.train import TrainConfig
from faceml.config.tune import TuneConfig
from faceml.models.recognition import FaceResNet
from faceml.runs.files import read_metrics
from faceml.tables.sorted_rows import read_table
from ray_jobs.cluster.log import JsonLines
from ray_jobs.cluster.prometheus import TrainingMetrics
from ray_jobs.search import tuning
from ray_jobs.training import multitask
from tests.observed import exported, worker_lines

EPOCHS = 2


def _train_settings(faces: Path, tables: Path, folder: Path, workers: int = 1) -> dict[str, Any]:
    return {
        "data": {
            "train": {"table": str(tables / "train"), "images": str(faces / "train")},
            "val": {"table": str(tables / "val"), "images": str(faces / "val")},
            "image_size": 32,
        },
        "weighting": {"kind": "uncertainty"},
        "optimizer": {"name": "adamw", "learning_rate": 1e-3},
        "training": {"epochs": EPOCHS, "batch_size_per_worker": 16 // workers, "log_every_steps": 2},
        "scaling": {"num_train_workers": workers},
        "run": {"folder": str(folder)},
    }


@pytest.fixture(scope="module")
def driver_log() -> StringIO:
    """What the driver of the training with two workers says."""
    return StringIO()


@pytest.fixture(scope="module")
def long_epoch(ray_cluster: None) -> Iterator[float]:
    """When an epoch began of which there is no news since."""
    with TrainingMetrics(Path("long_epoch"), "val/accuracy", 1) as metrics:
        metrics.report_epoch(1, {"val/accuracy": 0.5, "train/loss": math.nan, "train/images_per_second": 8.0})
        yield time.monotonic()


@pytest.fixture(scope="module")
def run_folder(
    faces: Path,
    tables: Path,
    driver_log: StringIO,
    long_epoch: float,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A training with two workers, which log JSON."""
    folder = tmp_path_factory.mktemp("train") / "run_of_two"
    settings = _train_settings(faces, tables, folder, workers=2) | {"logging": {"format": "json"}}
    handler = logging.StreamHandler(driver_log)
    handler.setFormatter(JsonLines({"job": "train"}))
    logging.getLogger().addHandler(handler)
    multitask.run(parse_config(TrainConfig, settings))
    logging.getLogger().removeHandler(handler)
    return folder


def test_train__exports_the_figures_of_its_records(run_folder: Path) -> None:
    *_, record = records = read_metrics(run_folder)
    told = {
        "train_epoch": EPOCHS,
        "train_step": 4 * EPOCHS,  # 64 faces, 8 for each of 2 workers in a step
        "train_steps": 4 * EPOCHS,
        "train_accuracy": record["val/accuracy"],
        "train_loss": record["train/loss"],
        "train_images_per_second": record["train/images_per_second"],
    }
    deadline_s = time.monotonic() + 60
    while not (values := exported(run_folder)).items() >= {(name, ""): n for name, n in told.items()}.items():
        assert time.monotonic() < deadline_s, values
        time.sleep(0.5)
    assert values["train_step_loss", ""] > 0
    longest_s = sum(64 / record["train/images_per_second"] for record in records)
    for rank in ("0", "1"):
        assert values["train_images_total", rank] == 32 * EPOCHS
        assert 0 < values["train_waiting_seconds_total", rank] < longest_s


def test_train__log_lines_of_driver_and_workers_are_json_if_asked(
    run_folder: Path, driver_log: StringIO
) -> None:
    lines = [json.loads(line)["message"] for line in driver_log.getvalue().splitlines()]
    assert [line.partition("  ")[0] for line in lines if line.startswith("epoch ")] == ["epoch 1", "epoch 2"]
    assert any(re.search(r"^training faces +64 in ", line, re.MULTILINE) for line in lines)
    begun = [line for line in worker_lines(run_folder) if line["message"].endswith(" from epoch 1")]
    assert sorted(line["rank"] for line in begun) == [0, 1]
    for line in begun:
        assert (line["job"], line["node"]) == ("train", socket.gethostname())
        assert (line["level"], line["logger"]) == ("INFO", "ray_jobs.training.worker")


def test_train__two_workers_leave_a_whole_run_folder(run_folder: Path) -> None:
    records = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2]
    for record in records:
        assert record["train/grad_norm_expression"] > 0
        assert record["train/grad_norm_landmarks"] > 0
        assert math.isfinite(record["val/nme_interocular"])
    assert records[0]["train/log_var_landmarks"] != records[1]["train/log_var_landmarks"]
    summary = json.loads((run_folder / "summary.json").read_text())
    assert summary["best"]["val/accuracy"] == max(record["val/accuracy"] for record in records)
    assert list(run_folder.glob("events.out.tfevents.*"))
    checkpoints = sorted((run_folder / "checkpoints").glob("checkpoint_epoch_*"))
    assert [read_metrics(folder) for folder in checkpoints] == [records[:1], records]
    load_config(TrainConfig, run_folder / "config.yaml")


def test_train__best_model_serves_the_transfer_snippet_verbatim(run_folder: Path, tables: Path) -> None:
    checkpoint = torch.load(run_folder / "best_model.pt", weights_only=True)
    assert set(checkpoint) == {
        *("model_state_dict", "config", "preprocessing", "tasks", "learned", "outputs"),
        *("landmark_set", "framing", "metrics"),
    }  # fmt: skip
    points = read_table(tables / "train", ["landmarks_5"])["landmarks_5"].drop_null().to_pylist()
    mean = np.array(points).mean(axis=0).reshape(5, 2)
    np.testing.assert_allclose(checkpoint["framing"]["landmarks"], mean, atol=1e-6)
    assert checkpoint["framing"]["aspect"] == 1.0
    summary = json.loads((run_folder / "summary.json").read_text())
    assert checkpoint["metrics"]["val/accuracy"] == summary["best"]["val/accuracy"]
    assert checkpoint["landmark_set"][0] == "left_eye"
    config = ModelConfig(backbone=checkpoint["config"]["model"]["backbone"])
    backbone = {k.replace('backbone.', ''): v for k, v in checkpoint['model_state_dict'].items() if 'backbone' in k}  # fmt: skip  # noqa: E501
    model = FaceResNet(config)
    model.backbone.load_state_dict(backbone)
    name, tensor = next(iter(backbone.items()))
    assert torch.equal(model.backbone.state_dict()[name], tensor)


def test_train__refuses_to_write_over_a_finished_run(faces: Path, tables: Path, run_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"run\.folder: .* holds a finished run"):
        multitask.run(parse_config(TrainConfig, _train_settings(faces, tables, run_folder, workers=2)))


def test_train__refuses_to_go_on_with_other_settings(faces: Path, tables: Path, tmp_path: Path) -> None:
    settings = _train_settings(faces, tables, tmp_path)
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump(parse_config(TrainConfig, settings).model_dump(mode="json") | {"seed": 5})
    )
    with pytest.raises(ConfigError, match="unfinished run with another seed"):
        multitask.run(parse_config(TrainConfig, settings))


def test_train__says_what_the_cluster_lacks(faces: Path, tables: Path, tmp_path: Path) -> None:
    settings = _train_settings(faces, tables, tmp_path / "run")
    settings["scaling"] = {"num_train_workers": 2, "cpus_per_worker": 3}
    settings["training"]["batch_size_per_worker"] = 8
    with pytest.raises(
        ConfigError, match="scaling: needs 2 × 3 CPU, each on one node, the cluster has 2 CPU"
    ):
        multitask.run(parse_config(TrainConfig, settings))
    assert not (tmp_path / "run").exists(), (
        "a refused run leaves nothing that the next one would stumble over"
    )


def test_check_search__refuses_values_that_the_training_refuses(
    faces: Path, tables: Path, tmp_path: Path
) -> None:
    def search(key: str, **dimension: Any) -> TuneConfig:
        settings = {
            "train": _train_settings(faces, tables, tmp_path / "unused"),
            "search": {key: dimension},
            "run": {"folder": str(tmp_path / "tune")},
        }
        return parse_config(TuneConfig, settings)

    together = search("weighting.kind", kind="choice", values=["uncertainty", "fixed"])
    kinds = ["fixed", "uncertainty_kendall", "uncertainty_revised", "dwa", "rlw", "famo", "pcgrad"]
    kinds += ["uw_so", "gls", "db_mtl"]
    tuning.check_search(search("weighting.kind", kind="grid", values=["uncertainty", *kinds]))
    tuning.check_search(search("loss.landmarks.kind", kind="grid", values=["mse", "smooth_l1", "wing"]))
    rate = {"weighting.learning_rate": {"kind": "choice", "values": [0.1]}}
    both = together.model_dump(mode="json")
    both["search"] |= rate
    with pytest.raises(ConfigError, match=r"Unknown key: 'train\.weighting\.learning_rate'"):
        tuning.check_search(parse_config(TuneConfig, both))
    with pytest.raises(ConfigError, match=r"'train\.model\.weights' = '/nowhere\.pt': no such file"):
        tuning.check_search(search("model.weights", kind="grid", values=["none", "/nowhere.pt"]))
    with pytest.raises(ConfigError, match=r"Unknown key: 'train\.optimizer\.lr'"):
        tuning.check_search(search("optimizer.lr", kind="choice", values=[1.0]))
    with pytest.raises(ConfigError, match=r"'train\.model\.backbone' = 'resnet34'"):
        tuning.check_search(search("model.backbone", kind="choice", values=["resnet18", "resnet34"]))
    with pytest.raises(ConfigError, match=r"'train\.loss\.label_smoothing' = 1\.5"):
        tuning.check_search(search("loss.label_smoothing", kind="uniform", low=0.0, high=1.5))


def test_training_metrics__last_as_long_as_there_is_no_news(run_folder: Path, long_epoch: float) -> None:
    """Ray exports a gauge within 10 s, and by itself drops it 20 s later. Last, so that it waits less."""
    time.sleep(max(0.0, long_epoch + 35 - time.monotonic()))
    values = {name: value for (name, _), value in exported(Path("long_epoch")).items()}
    assert values == {
        "train_epoch": 1,
        "train_step": 1,
        "train_accuracy": 0.5,
        "train_images_per_second": 8,
    }
