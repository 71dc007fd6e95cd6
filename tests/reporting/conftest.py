"""Fixtures of reports: small run folders with known content."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from faceml.config.extract import ExtractConfig
from faceml.config.loading import dump_config, parse_config
from faceml.config.train import TrainConfig
from faceml.config.tune import TuneConfig
from faceml.reporting.extraction.summary import summarize_table
from faceml.runs.run_folder import RunFolder
from faceml.search.trial import Trial
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.sorted_rows import read_table

STATUSES = {"0": ["ok"] * 6, "3": ["ok"] * 3 + ["no_face"], "7": ["ok", "no_face", "undecodable"]}
"""Status of every image, by folder."""
SIDE_PX = 40
MakeRecords = Callable[[list[float]], list[dict[str, Any]]]


def landmarks(count: int) -> list[float]:
    """Points on a diagonal, x0, y0, x1, y1, …"""
    return [value for point in range(count) for value in (0.1 + 0.08 * point, 0.15 + 0.07 * point)]


@pytest.fixture(scope="session")
def extraction_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folder of an extraction of gray images; `table` and `images` lie beside it."""
    root = tmp_path_factory.mktemp("extraction")
    rows = []
    for folder, statuses in STATUSES.items():
        (root / "images" / folder).mkdir(parents=True)
        for number, status in enumerate(statuses):
            row: dict[str, Any] = {"image_id": f"{folder}/{number}.png", "folder": folder, "status": status}
            file = root / "images" / row["image_id"]
            if status == "undecodable":
                file.write_text("no image")
            else:
                Image.new("RGB", (SIDE_PX, SIDE_PX), (128, 128, 128)).save(file)
            if status != "undecodable":
                row |= {"width": SIDE_PX, "height": SIDE_PX, "dhash": 0, "content_sha256": b"\0" * 32}
            points = {f"landmarks_{count}": landmarks(count) for count in LANDMARK_SETS}
            pose = {"yaw_deg": 5.0 * number, "pitch_deg": -20.0, "roll_deg": 40.0}
            rows.append(row | (points | pose if status == "ok" else {}))
    detector = {"name": "drawn", "version": "1.2.3", "model_sha256": "ab" * 32}
    write_shard(rows, landmark_schema(table_metadata(detector, {}, "0")), root / "table" / "part.parquet")
    config = parse_config(
        ExtractConfig,
        {
            "data": {"root": str(root / "images")},
            "output": {"table": str(root / "table")},
            "report_faces": 30,
        },
    )
    run = root / "table_run"
    summary = summarize_table(read_table(root / "table"), new_images=13, busy_s=2.0, wall_s=5.0)
    RunFolder(run).write_summary(summary.as_json())
    (run / "config.yaml").write_text(dump_config(config))
    return run


def confusions(accuracy: float) -> list[list[int]]:
    """Return the confusion matrix of the 12 decoded images of `STATUSES`; wrong predictions are `happy`."""
    counts = np.zeros((8, 8), dtype=int)
    for label, images in ((0, 6), (3, 4), (7, 2)):
        hits = round(accuracy * images)
        counts[label, label], counts[label, 1] = hits, images - hits
    found: list[list[int]] = counts.tolist()
    return found


@pytest.fixture
def make_records() -> MakeRecords:
    """Return epochs with the validation accuracies given, from which all other metrics are derived."""

    def make(accuracies: list[float]) -> list[dict[str, Any]]:
        names = LANDMARK_SETS[5].names
        return [
            {
                "epoch": epoch,
                "train/loss": 1.5 - accuracy,
                "train/loss_expression": 2 - accuracy,
                "train/loss_landmarks": 0.01 / epoch,
                "train/grad_norm_expression": 5.0 / epoch,
                "train/grad_norm_landmarks": 0.5 / epoch,
                "train/log_var_expression": -0.1 * epoch,
                "train/log_var_landmarks": -0.2 * epoch,
                "train/weight_expression": float(np.exp(0.1 * epoch)),
                "train/weight_landmarks": float(np.exp(0.2 * epoch)),
                "val/accuracy": accuracy,
                "val/macro_f1": accuracy / 2,
                "val/loss_expression": 2.2 - accuracy,
                "val/landmark_mse": 0.02 / epoch,
                "val/nme_interocular": 0.3 / epoch,
                **{f"val/nme_{name}": 0.3 / epoch for name in names},
                "val/confusion_matrix": confusions(accuracy),
            }
            for epoch, accuracy in enumerate(accuracies, start=1)
        ]

    return make


@pytest.fixture
def train_config(extraction_run: Path) -> TrainConfig:
    split = {"table": str(extraction_run.parent / "table"), "images": str(extraction_run.parent / "images")}
    return parse_config(
        TrainConfig, {"data": {"train": split, "val": split}, "run": {"folder": "runs/train"}}
    )


@pytest.fixture
def training_run(tmp_path: Path, train_config: TrainConfig, make_records: MakeRecords) -> Path:
    """Run folder of three epochs, the second one best."""
    (tmp_path / "config.yaml").write_text(dump_config(train_config))
    lines = [json.dumps(record) + "\n" for record in make_records([3 / 12, 9 / 12, 6 / 12])]
    (tmp_path / "metrics.jsonl").write_text("".join(lines))
    (tmp_path / "summary.json").write_text('{"wall_s": 61.0}')
    return tmp_path


@pytest.fixture
def trials(make_records: MakeRecords) -> list[Trial]:
    """Return a trial stopped early, the best one, one more that finished, and one that failed."""

    def settings(learning_rate: float, kind: str) -> dict[str, Any]:
        return {"optimizer.learning_rate": learning_rate, "weighting.kind": kind}

    return [
        Trial("trial_0", settings(1e-4, "fixed"), make_records([0.25]), 3),
        Trial("trial_1", settings(2e-3, "uncertainty"), make_records([0.25, 0.5, 0.75]), 3),
        Trial("trial_2", settings(1e-3, "fixed"), make_records([0.25, 0.5, 0.5]), 3),
        Trial("trial_3", settings(1.0, "fixed"), [], 3, "FloatingPointError: not finite"),
    ]


@pytest.fixture
def tuning_run(tmp_path: Path, train_config: TrainConfig) -> Path:
    config = TuneConfig(
        train=train_config,
        search={"weighting.kind": {"kind": "choice", "values": ("fixed", "uncertainty")}},
        run={"folder": tmp_path},
    )
    (tmp_path / "config.yaml").write_text(dump_config(config))
    (tmp_path / "summary.json").write_text('{"wall_s": 62.0}')
    return tmp_path
