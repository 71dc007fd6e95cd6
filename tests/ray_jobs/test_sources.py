"""Two data sets with different labels in one table, and a network trained on both, through the real jobs."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from faceml.config.evaluate import EvaluateConfig
from faceml.config.extract import ExtractConfig
from faceml.config.loading import parse_config
from faceml.config.train import TrainConfig
from faceml.tables.sorted_rows import read_table
from ray_jobs.local import evaluation
from ray_jobs.tables import extraction
from ray_jobs.training import multitask

pytestmark = pytest.mark.usefixtures("ray_cluster")

TASKS = {
    "mood": {"kind": "classification", "target": "mood", "classes": ["calm", "moved"]},
    "affect": {"kind": "regression", "target": ["valence"], "range": [-1, 1]},
}


@pytest.fixture
def places(faces: Path, tmp_path: Path) -> dict[str, str]:
    """Folders of two data sets: 32 faces in folders of expressions, and 16 without folders."""
    (tmp_path / "affects").mkdir()
    for number, file in enumerate(sorted((faces / "train").rglob("*.jpg"))[::4]):
        shutil.copy(file, tmp_path / "affects" / f"{number:02}.jpg")
    return {"moods": str(faces / "val"), "affects": str(tmp_path / "affects")}


def label(table: str, folder: Path) -> dict[str, str]:
    """Write a label table for each source, every fourth image in `val`; return their places."""
    rows = read_table(table, ["source", "folder"]).to_pylist()
    lines = {"moods": ["path,split,mood"], "affects": ["path,split,valence"]}
    for number, row in enumerate(rows):
        source, _, path = row["image_id"].partition("/")
        value = "calm" if row["folder"] < "4" else "moved"
        split = "train" if number % 4 else "val"
        lines[source].append(f"{path},{split},{value if source == 'moods' else number / len(rows)}")
    for source, text in lines.items():
        (folder / f"{source}.csv").write_text("\n".join(text) + "\n")
    return {source: str(folder / f"{source}.csv") for source in lines}


def test_sources__of_different_labels_train_one_network(
    places: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = str(tmp_path / "table")

    def extract(root: dict[str, str]) -> dict[str, Any]:
        raw = {"data": {"root": root}, "output": {"table": table}, "landmarker": {"actors": 1}}
        raw |= {"report_faces": 4, "quality": {"least_plausible": 0}}
        extraction.run(parse_config(ExtractConfig, raw))
        summary: dict[str, Any] = json.loads((tmp_path / "table_run" / "summary.json").read_text())
        return summary

    extract({"moods": places["moods"]})
    before = read_table(table)
    summary = extract(places)
    rows = read_table(table)
    assert summary["new_images"] == 16
    assert {name: sum(counts.values()) for name, counts in summary["sources"].items()} == {
        "affects": 16,
        "moods": 32,
    }
    assert rows.slice(16).equals(before), "rows of the first source are kept"
    for row in rows.select(["image_id", "source", "folder"]).to_pylist():
        parts = row["image_id"].split("/")
        assert (row["source"], row["folder"]) == (parts[0], parts[1] if parts[0] == "moods" else "")
    assert "Images and detection rate by source" in (tmp_path / "table_run" / "report.html").read_text()

    common = {"table": table, "images": places, "labels": {"file": label(table, tmp_path), "key": "path"}}
    splits = {split: common | {"where": {"split": split}} for split in ("train", "val")}
    raw = {
        "data": {**splits, "image_size": 32, "leakage": {"on_found": "strict", "max_hash_distance": 0}},
        "tasks": TASKS,
        "model": {"backbone": "narrow"},
        "training": {"epochs": 1, "batch_size_per_worker": 12, "warmup_epochs": 0},
        "run": {"folder": str(tmp_path / "run")},
    }
    with caplog.at_level(logging.INFO):
        metrics = multitask.run(parse_config(TrainConfig, raw))["best"]
    assert f"{table} where split: val: 12 of 48 rows are selected." in caplog.messages
    assert not [message for message in caplog.messages if "label table" in message]
    assert {"train/loss_mood", "train/loss_affect", "val/mood/accuracy"} <= metrics.keys()

    evaluated = {
        "model": str(tmp_path / "run"),
        "data": splits["val"] | {"where": {"split": "val", "source": "affects"}},
        "report": {"embeddings": 0, "mistakes": 0},
        "run": {"folder": str(tmp_path / "affects_val")},
    }
    findings = evaluation.run(parse_config(EvaluateConfig, evaluated))
    image_ids = findings.predictions["image_id"].to_pylist()
    assert image_ids == rows["image_id"].to_pylist()[:16:4]
    card = (tmp_path / "affects_val" / "model_card.md").read_text()
    assert f"{table} where split: val, source: affects" in card
