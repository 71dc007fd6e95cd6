"""Training of face recognition on Ray, with synthetic people detected by MediaPipe."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

from faceml.config.config_error import ConfigError
from faceml.config.evaluate_recognition import EvaluateRecognitionConfig
from faceml.config.loading import load_config, parse_config
from faceml.config.recognition import RecognitionConfig
from faceml.metrics.verification import ScoredPairs, verification_accuracy
from faceml.models.recognition import FaceResNet
from faceml.runs.files import read_metrics, read_summary
from faceml.runs.run_folder import RunFolder
from ray_jobs.local import recognition_evaluation
from ray_jobs.training import recognition
from tests.browser.page import faults_of

pytestmark = pytest.mark.usefixtures("ray_cluster")

CONFIG = Path("configs/arcface_casia.yaml")


def config_of(people: Path, folder: Path, **changes: Any) -> RecognitionConfig:
    settings = [
        *(f"data.{split}.table={people / 'tables' / split}" for split in ("train", "val")),
        *(f"data.{split}.images={people / 'faces' / split}" for split in ("train", "val")),
        *(
            "data.image_size=32",
            "data.people_per_batch=4",
            "data.images_per_person=3",
            "data.pairs.number=100",
        ),
        *(
            "data.loader_processes=0",
            "model.backbone=narrow",
            "model.embedding_dim=32",
            "training.epochs=2",
            "training.precision=fp32",
        ),
        *("margin.scale=16", "margin.margin=0.2", "scaling.use_gpu=false", "scaling.cpus_per_worker=1"),
        *("training.channels_last=false", f"run.folder={folder / 'run'}"),
    ]
    return load_config(
        RecognitionConfig, CONFIG, settings + [f"{key}={value}" for key, value in changes.items()]
    )


def test_run__leaves_a_run_that_says_how_well_unseen_people_are_told_apart(
    people: Path, tmp_path: Path
) -> None:
    config = config_of(people, tmp_path)
    summary = recognition.run(config)
    folder = Path(config.run.folder)
    assert read_summary(folder)["accuracy"] == summary["accuracy"]
    assert [record["epoch"] for record in read_metrics(folder)] == [1, 2]
    table = pq.read_table(folder / "pairs.parquet")
    people_of = [
        [name.split("/")[0] for name in table[side].to_pylist()] for side in ("image_id", "other_image_id")
    ]
    same = np.array([a == b for a, b in zip(*people_of, strict=True)])
    np.testing.assert_array_equal(same, table["is_same"].to_numpy())
    numbers = {name: number for number, name in enumerate(sorted(set(people_of[0] + people_of[1])))}
    shown = np.array([[numbers[name] for name in side] for side in people_of]).T
    pairs = ScoredPairs(table["score"].to_numpy(), same, table["fold"].to_numpy(), shown)
    assert verification_accuracy(pairs) == pytest.approx(summary["accuracy"])
    # The model that is kept is the one that was verified after its epoch.
    assert summary["best"]["verification/accuracy"] == pytest.approx(summary["accuracy"], abs=0.011)
    low, high = summary["accuracy_interval"]
    assert 0 < low < summary["accuracy"] < high <= 1
    checkpoint = torch.load(folder / "best_model.pt", weights_only=True)
    model = FaceResNet(config.model)
    model.load_state_dict(checkpoint["model_state_dict"])
    assert checkpoint["preprocessing"]["resize"] == "similarity_to_template"
    assert faults_of(folder / "report.html") == []
    assert "unseen people" in (folder / "report.html").read_text(encoding="utf-8")
    console = Console(width=120, record=True, quiet=True)
    recognition.show(config, console)
    evaluated = {
        "model": str(folder),
        "sets": {"val": config.data.val.model_dump(mode="json") | {"pairs": {"number": 100}}},
        "leakage": {"on_found": "ignore"},
        "batch_size": config.batch_size_per_worker,
        "run": {"folder": str(tmp_path / "evaluation")},
    }
    findings = recognition_evaluation.run(parse_config(EvaluateRecognitionConfig, evaluated))
    (found,) = findings.sets
    assert found.first.metrics["accuracy"] == summary["accuracy"]
    assert found.first.intervals["accuracy"] == tuple(summary["accuracy_interval"])
    for name in ("equal_error_rate", "top_1", "top_5"):
        assert found.first.metrics[name] == pytest.approx(summary["best"][f"verification/{name}"], abs=0.02)
    assert found.leaks == ["The best epoch of run was selected on val: its figures are optimistic."]
    with pytest.raises(ConfigError, match="holds a finished run"):
        recognition.run(config)
    # Nor does a run go on with other people than it began with.
    began_with = json.loads((folder / "people.json").read_text(encoding="utf-8"))
    recognition.refuse_other_people(began_with, RunFolder(folder))
    with pytest.raises(ConfigError, match=rf"but the run in {folder} began with 12, of whom 11"):
        recognition.refuse_other_people(began_with[1:], RunFolder(folder))


def test_run__a_backbone_that_has_seen_other_colours_is_refused(people: Path, tmp_path: Path) -> None:
    config = config_of(people, tmp_path)
    other = {
        "model_state_dict": FaceResNet(config.model).state_dict(),
        "preprocessing": {"color_order": "bgr", "mean": [0.485, 0.456, 0.406]},
    }
    torch.save(other, tmp_path / "other.pt")
    plain = config.model_dump(mode="json")
    plain["model"]["weights"] = str(tmp_path / "other.pt")
    with pytest.raises(ConfigError, match="color_order bgr instead of rgb"):
        recognition.run(parse_config(RecognitionConfig, plain))
    assert not Path(config.run.folder).exists()
