"""Evaluation on a split: metrics recomputed from its predictions, and those of the training's validation."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console
from scipy.stats import ttest_1samp

from faceml.config.config_error import ConfigError
from faceml.config.evaluate import EvaluateConfig
from faceml.config.loading import load_yaml, parse_config
from faceml.config.sections.model import ModelConfig
from faceml.config.sections.tasks import parse_tasks
from faceml.datasets.preprocessing import Preprocessing
from faceml.errors import StoppedError
from faceml.models.multitask import build_multitask_model
from faceml.reporting.evaluation.estimated_yaw import LEAST_FACES
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below
from faceml.tables.sorted_rows import read_table
from faceml.tasks.build import Tasks, build_tasks
from faceml.tasks.classes import AFFECTNET8
from faceml.training.checkpoint import model_checkpoint, write_state
from faceml.training.faces import open_split
from faceml.training.trained_model import load_trained_model
from ray_jobs.local import evaluation
from tests.browser.page import faults_of
from tests.default_tasks import default_pair


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network that never learned anything, which a split does not mind."""
    settings = {
        "model": {"backbone": "resnet18", "weights": "none", "embedding_dim": 32},
        "data": {"image_size": 32, "num_landmarks": 5},
    }
    return write_model(settings, default_pair(), tmp_path)


def write_model(settings: dict[str, Any], tasks: Tasks, folder: Path) -> Path:
    heads = {name: task.build_head for name, task in tasks.items()}
    torch.manual_seed(0)
    network = build_multitask_model(ModelConfig(embedding_dim=32), heads)
    file = folder / "best_model.pt"
    write_state(model_checkpoint(network, settings, Preprocessing(32), tasks, {}), file)
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
    assert evaluation.run(parse_config(EvaluateConfig, stored)).result.metrics == local.result.metrics
    written = StorageFolder(place_below(store, "evaluation"))
    assert {"config.yaml", "predictions.parquet", "report.html", "summary.json"} <= set(written.files())
    assert json.loads(written.read("summary.json"))["accuracy"] == local.result.metrics["accuracy"]
    with pytest.raises(ConfigError, match=r"^model: there is no s3://.*/none\.pt\?.*"):
        evaluation.run(parse_config(EvaluateConfig, stored | {"model": place_below(store, "none.pt")}))


def test_run__with_a_flip_test_averages_the_outputs_of_the_mirror_images(
    model: Path, faces: Path, tables: Path
) -> None:
    settings = config(model, faces, tables, flip_test=True)
    evaluation.run(settings)
    rows = pq.read_table(Path(settings.run.folder) / "predictions.parquet")
    trained = load_trained_model(str(model))
    split = open_split(settings.data, 5, trained.preprocessing, trained.tasks)
    images = trained.preprocessing.normalize(torch.stack([sample.image for sample in split]))
    with torch.no_grad():
        own, mirrored = trained.model(images), trained.model(images.flip(-1))
    logits = (own.tasks["expression"] + mirrored.tasks["expression"]) / 2
    np.testing.assert_allclose(rows["probabilities"].to_pylist(), logits.softmax(dim=1), atol=1e-5)
    # Left eye, right eye, nose, left and right corner of the mouth.
    x, y = mirrored.tasks["landmarks"][:, [1, 0, 2, 4, 3]].unbind(dim=-1)
    points = ((own.tasks["landmarks"] + torch.stack([1 - x, y], dim=-1)) / 2).flatten(1)
    np.testing.assert_allclose(rows["landmarks"].to_pylist(), points, atol=1e-5)
    for name in ("model_card.md", "report.html"):
        text = (Path(settings.run.folder) / name).read_text(encoding="utf-8")
        assert "averaged over each image and its mirror image (flip_test)" in text


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
    for label, name in enumerate(AFFECTNET8):
        assert summary["recall"][name] == pytest.approx((predicted[labels == label] == label).mean())
    found = np.array(table["status"].to_pylist()) == "ok"
    points = np.array([p for p in table["landmarks_5"].to_pylist() if p is not None])
    guesses = np.array(rows["landmarks"].to_pylist())[found]
    assert summary["landmark_mse"] == pytest.approx(((guesses - points) ** 2).mean(), rel=1e-4)
    assert faults_of(folder / "report.html") == []
    report = (folder / "report.html").read_text()
    assert all(name in report for name in AFFECTNET8)
    confidence = probabilities.max(axis=1)
    assert summary["calibration"]["overconfidence"] == pytest.approx(confidence.mean() - summary["accuracy"])
    assert np.array_equal(rows["has_landmarks"].to_numpy(), np.array(table["status"].to_pylist()) == "ok")
    for title in (
        "Most confident misclassifications",
        "Calibration of the probabilities",
        "Accuracy with and without a detected face",
        "Separation by expression",
    ):
        assert f">{title}</h2>" in report
    console = Console(record=True, width=120)
    evaluation.show(result, console)
    assert f"on {summary['images']} images" in console.export_text()
    low, high = summary["nme_interocular_interval"]
    assert low < summary["nme_interocular"] < high


MANY = {
    "pose": {"kind": "regression", "target": ["yaw_deg", "pitch_deg", "roll_deg"], "scale": 90},
    "smiling": {"kind": "classification", "target": "smiles", "classes": ["no", "yes"]},
    "action_units": {"kind": "multilabel", "target": ["au01", "au02"]},
    "points": {"kind": "landmarks", "points": 10},
    "valence": {"kind": "regression", "target": "valence", "range": [-1, 1]},
}


def write_labels(table: Path, file: Path) -> dict[str, tuple[Any, ...]]:
    """Write labels of all images but the last three, and return those of all, empty without any."""
    names = read_table(table, ["status"])["image_id"].to_pylist()
    rng = np.random.default_rng(0)
    labels: dict[str, tuple[Any, ...]] = {
        name: (
            "yes" if n % 3 else "no",
            n % 2,
            "" if n % 5 == 0 else n // 2 % 2,
            round(rng.uniform(-1, 1), 3),
        )
        for n, name in enumerate(names[:-3])
    }
    lines = [",".join(map(str, (name, *cells))) for name, cells in labels.items()]
    file.write_text("\n".join(["image_id,smiles,au01,au02,valence", *lines]))
    return {name: labels.get(name, ("",) * 4) for name in names}


def test_run__of_many_tasks_with_a_label_table(faces: Path, tables: Path, tmp_path: Path) -> None:
    labels = write_labels(tables / "val", tmp_path / "labels.csv")
    names = list(labels)
    wanted = list(labels.values())
    settings = {"model": {"embedding_dim": 32}, "data": {"image_size": 32, "num_landmarks": 5}}
    model = write_model(settings, build_tasks(parse_tasks(MANY)), tmp_path)
    split = {"table": str(tables / "val"), "images": str(faces / "val")}
    labelled = split | {"labels": str(tmp_path / "labels.csv")}
    first = config(model, faces, tables, data=labelled, report={"embeddings": 0, "mistakes": 4})
    evaluation.run(first)
    again = {"run": {"folder": str(tmp_path / "again")}, "compare_with": [first.run.folder]}
    findings = evaluation.run(parse_config(EvaluateConfig, first.model_dump(mode="json") | again))

    folder = tmp_path / "again"
    rows = pq.read_table(folder / "predictions.parquet")
    summary = json.loads((folder / "summary.json").read_text())
    known = np.array([cells[0] != "" for cells in wanted])
    smiles = np.array([cells[0] == "yes" for cells in wanted])
    assert rows["smiling_label"].to_pylist() == [
        int(smiles[n]) if known[n] else None for n in range(len(names))
    ]
    predicted = rows["smiling_predicted"].to_numpy() == 1
    assert summary["smiling/accuracy"] == pytest.approx((predicted == smiles)[known].mean())
    low, high = summary["smiling/accuracy_interval"]
    assert low < summary["smiling/accuracy"] < high
    assert set(summary["smiling/recall"]) == {"no", "yes"}
    assert summary["images"] == len(names)
    truth = np.array([cells[3] for cells in wanted])[known].astype(float)
    guesses = np.array(rows["valence"].to_pylist())[known, 0]
    assert summary["valence/mae"] == pytest.approx(np.abs(guesses - truth).mean(), rel=1e-4)
    assert len(summary["valence/ccc_interval"]) == len(summary["valence/rmse_interval"]) == 2
    table = read_table(tables / "val", ["yaw_deg", "pitch_deg", "roll_deg"])
    angles = np.array([table[name].to_numpy() for name in ("yaw_deg", "pitch_deg", "roll_deg")]).T
    found = np.isfinite(angles[:, 0])
    errors = np.abs(np.array(rows["pose"].to_pylist()) - angles)[found]
    assert summary["pose/mae"] == pytest.approx(errors.mean(), rel=1e-4)
    spread = ttest_1samp(errors.mean(axis=1), 0).confidence_interval()
    assert summary["pose/mae_interval"] == pytest.approx([spread.low, spread.high], rel=1e-4)
    assert len(summary["action_units/f1_au01_interval"]) == 2
    assert "accuracy" not in summary
    compared = summary["compared"]["evaluation"]
    assert compared["pose/mae_difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert compared["value"] == 0.0, "of the first task"
    assert faults_of(folder / "report.html") == []
    report = (folder / "report.html").read_text()
    for title in ("Comparison of models", "Pose", "Smiling classification", "Action units"):
        assert f">{title}</h2>" in report
    card = (folder / "model_card.md").read_text()
    assert "estimates yaw_deg, pitch_deg, roll_deg" in card
    assert "### Pose MAE by head pose" in card
    assert "| smiling class | images | not detected |" in card
    console = Console(record=True, width=140)
    evaluation.show(findings, console)
    assert "Smiling: accuracy" in console.export_text()


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
    for label, name in enumerate(AFFECTNET8):
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
    second = parse_config(EvaluateConfig, second.model_dump(mode="json") | {"model": str(model.parent)})
    evaluation.run(second)  # of the run folder: the same model
    folder = Path(second.run.folder)
    assert load_yaml((folder / "config.yaml").read_text())["model"] == str(model)
    compared = json.loads((folder / "summary.json").read_text())["compared"]["evaluation"]
    assert compared["value"] == 0
    assert compared["low"] < 0 < compared["high"]
    assert "evaluation − again = +0.0 points" in (folder / "report.html").read_text()
    assert "Separation by expression" not in (Path(first.run.folder) / "report.html").read_text()


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
