"""Evaluation on a split: metrics recomputed from its predictions, and those of the training's validation."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

from faceml.config.config_error import ConfigError
from faceml.config.evaluate import EvaluateConfig
from faceml.config.loading import parse_config
from faceml.config.sections import ModelConfig
from faceml.datasets.labels import EXPRESSIONS
from faceml.datasets.preprocessing import Preprocessing
from faceml.errors import StoppedError
from faceml.models.multitask import build_multitask_model
from faceml.reporting.evaluation.estimated_yaw import LEAST_FACES
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.tables.landmark_table import read_table
from faceml.training.checkpoint import model_checkpoint, write_state
from ray_jobs.local import evaluation
from tests.browser.page import faults_of


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network that never learned anything, which a split does not mind."""
    settings = {
        "model": {"backbone": "resnet18", "weights": "none", "embedding_dim": 32},
        "data": {"image_size": 32, "num_landmarks": 5},
    }
    network = build_multitask_model(ModelConfig(embedding_dim=32), 5)
    file = tmp_path / "best_model.pt"
    write_state(model_checkpoint(network, settings, Preprocessing(32), LANDMARK_SETS[5], {}), file)
    return file


def config(model: Path, faces: Path, tables: Path, **changes: object) -> EvaluateConfig:
    raw = {
        "model": str(model),
        "data": {"table": str(tables / "val"), "images": str(faces / "val")},
        "batch_size": 5,
        "run": {"folder": str(model.parent / "evaluation")},
    }
    return parse_config(EvaluateConfig, raw | changes)


def test_run__of_a_model_and_a_split_in_a_store_leaves_the_same_there(
    model: Path, faces: Path, tables: Path, in_s3: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEML_CACHE", str(model.parent / "cache"))
    local = evaluation.run(config(model, faces, tables))
    store = in_s3(model.parent)
    stored = config(model, faces, tables).model_dump(mode="json") | {
        "model": place_below(store, "best_model.pt"),
        "data": {"table": in_s3(tables / "val"), "images": str(faces / "val")},
        "run": {"folder": place_below(store, "evaluation")},
    }
    assert evaluation.run(parse_config(EvaluateConfig, stored)).metrics == local.metrics
    written = StorageFolder(place_below(store, "evaluation"))
    assert {"config.yaml", "predictions.parquet", "report.html", "summary.json"} <= set(written.files())
    assert json.loads(written.read("summary.json"))["accuracy"] == local.metrics["accuracy"]
    with pytest.raises(ConfigError, match=r"^s3://.*/none\.pt\?.*: there is no such file"):
        evaluation.run(parse_config(EvaluateConfig, stored | {"model": place_below(store, "none.pt")}))


def test_run__figures_follow_from_the_predictions(model: Path, faces: Path, tables: Path) -> None:
    settings = config(model, faces, tables)
    result = evaluation.run(settings)
    folder = Path(settings.run.folder)
    rows = pq.read_table(folder / "predictions.parquet")
    table = read_table(tables / "val", ["folder", "status", "landmarks_5"])
    assert rows["image_id"].to_pylist() == table["image_id"].to_pylist()
    assert rows["label"].to_pylist() == [int(label) for label in table["folder"].to_pylist()]
    labels, predicted = rows["label"].to_numpy(), rows["predicted"].to_numpy()
    probabilities = np.array(rows["probabilities"].to_pylist())
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), predicted)

    summary = json.loads((folder / "summary.json").read_text())
    assert summary["images"] == table.num_rows
    assert summary["accuracy"] == pytest.approx((labels == predicted).mean())
    low, high = summary["accuracy_interval"]
    assert low < summary["accuracy"] < high
    for label, name in enumerate(EXPRESSIONS):
        assert summary["recall"][name] == pytest.approx((predicted[labels == label] == label).mean())
    found = np.array(table["status"].to_pylist()) == "ok"
    points = np.array([p for p in table["landmarks_5"].to_pylist() if p is not None])
    guesses = np.array(rows["landmarks"].to_pylist())[found]
    assert summary["landmark_mse"] == pytest.approx(((guesses - points) ** 2).mean(), rel=1e-4)
    assert faults_of(folder / "report.html") == []
    report = (folder / "report.html").read_text()
    assert all(name in report for name in EXPRESSIONS)
    confidence = probabilities.max(axis=1)
    assert summary["calibration"]["overconfidence"] == pytest.approx(confidence.mean() - summary["accuracy"])
    assert np.array_equal(rows["has_landmarks"].to_numpy(), np.array(table["status"].to_pylist()) == "ok")
    for title in (
        "Most confident misclassifications",
        "Calibration of the probabilities",
        "Accuracy with and without a detected face",
        "Separation of the expressions",
    ):
        assert f">{title}</h2>" in report
    console = Console(record=True, width=120)
    evaluation.show(result, console)
    assert f"on {summary['images']} images" in console.export_text()


def test_run__leaves_a_model_card_with_hashes_and_shares(model: Path, faces: Path, tables: Path) -> None:
    settings = config(model, faces, tables)
    evaluation.run(settings)
    card = (Path(settings.run.folder) / "model_card.md").read_text()
    table = read_table(tables / "val", ["folder", "status", "content_sha256", "yaw_deg"])
    assert hashlib.sha256(model.read_bytes()).hexdigest() in card
    digests = sorted(table["content_sha256"].to_pylist())
    assert hashlib.sha256(b"".join(digests)).hexdigest() in card
    found = np.array(table["status"].to_pylist()) == "ok"
    labels = np.array(table["folder"].to_pylist()).astype(int)
    missed = card.partition("| expression | images | not detected |")[2]
    for label, name in enumerate(EXPRESSIONS):
        share = (~found[labels == label]).mean()
        assert f"| {name} | {(labels == label).sum()} | {100 * share:.1f}\N{NO-BREAK SPACE}% |" in missed
    turned = np.abs(table["yaw_deg"].drop_null().to_numpy()) < 15
    assert f"| 0 to 15° | {turned.sum()} |" in card
    assert card.count("| darkest quarter | 8 |") == card.count("| largest yaw quarter | 8 |") == 1
    assert found.sum() >= LEAST_FACES
    assert f"fit to MediaPipe's yaw of {found.sum()} faces" in " ".join(card.split())
    for article in ("Article 5(1)(f)", "Article 50(3)", "Article 9", "`faceml forget PERSON"):
        assert article in card


def test_run__compared_with_itself_is_no_better(model: Path, faces: Path, tables: Path) -> None:
    first = config(model, faces, tables, report={"embeddings": 0})
    evaluation.run(first)
    second = config(
        model, faces, tables, run={"folder": str(model.parent / "again")}, compare_with=[first.run.folder]
    )
    evaluation.run(second)
    folder = Path(second.run.folder)
    compared = json.loads((folder / "summary.json").read_text())["compared"]["evaluation"]
    assert compared["value"] == 0
    assert compared["low"] < 0 < compared["high"]
    assert "evaluation − again = +0.0 points" in (folder / "report.html").read_text()
    assert "Separation of the expressions" not in (Path(first.run.folder) / "report.html").read_text()


def test_run__a_model_of_another_preprocessing_is_refused(model: Path, faces: Path, tables: Path) -> None:
    checkpoint = torch.load(model, weights_only=True)
    checkpoint["preprocessing"]["color_order"] = "bgr"
    write_state(checkpoint, model)
    with pytest.raises(ConfigError, match="color_order bgr where this faceml has rgb"):
        evaluation.run(config(model, faces, tables))
    assert not (model.parent / "evaluation").exists()


@pytest.mark.parametrize("loader_processes", [0, 2])
def test_run__an_image_that_vanished_is_named_in_one_line(
    loader_processes: int, model: Path, faces: Path, tables: Path, tmp_path: Path
) -> None:
    shutil.copytree(faces / "val", tmp_path / "faces" / "val")
    vanished = sorted((tmp_path / "faces" / "val").rglob("*.jpg"))[9]
    vanished.unlink()
    settings = config(model, tmp_path / "faces", tables, loader_processes=loader_processes)
    with pytest.raises(StoppedError, match=f"^{vanished.parent.name}/{vanished.name}: missing") as stopped:
        evaluation.run(settings)
    assert "\n" not in str(stopped.value)


def test_run__a_gpu_that_is_not_there_is_refused(
    model: Path, faces: Path, tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match="use_gpu: true needs a GPU"):
        evaluation.run(config(model, faces, tables, use_gpu=True))
