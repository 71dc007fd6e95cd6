"""Plan of a training and estimate of its remaining time."""

import io
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from faceml.config.loading import parse_config
from faceml.config.train import TrainConfig
from faceml.reporting.training.plan import (
    FirstEstimate,
    TrainingPlan,
    build_training_plan,
    start_line,
    training_banner,
)
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.sorted_rows import read_table
from faceml.tasks.classes import AFFECTNET8
from faceml.training.faces import build_faces

NOON = datetime(2026, 3, 6, 12, 0)  # a Friday


def plan(extraction_run: Path, **changes: Any) -> TrainingPlan:
    """Return the plan of a training on 12 faces of three expressions, with changed sections."""
    root = extraction_run.parent
    split = {"table": str(root / "table"), "images": str(root / "images")}
    raw = {
        "data": {"train": split, "val": split, "image_size": 32},
        "training": {"batch_size_per_worker": 2, "accumulate_batches": 2, "epochs": 7, "precision": "bf16"},
        "scaling": {"num_train_workers": 2, "use_gpu": True, "cpus_per_worker": 4},
        "run": {"folder": "/runs/a"},
    }
    config = parse_config(TrainConfig, raw | changes)
    return build_training_plan(config, build_faces(config))


def test_build_training_plan__combines_configuration_and_tables(extraction_run: Path) -> None:
    tracking = {"kind": "mlflow", "uri": "https://mlflow.example.org"}
    built = plan(extraction_run, tracking=tracking)
    table = extraction_run.parent / "table"
    assert dict(built.rows) == {
        "network": "resnet18, random weights, images of 32 px",
        "hardware": "2 workers, each a GPU and 4 CPU threads, bf16",
        "task expression": "classification, 8 classes; targets: 12 of 12 training, 12 of 12 validation faces",
        "task landmarks": "landmarks, 5 points; targets: 10 of 12 training, 10 of 12 validation faces",
        "training faces": f"12 in {table}; excluded images: 1 undecodable",
        "validation faces": f"12 in {table}; excluded images: 1 undecodable",
        "batch per step": "8 images: 2 workers × 2 × 2 batches",
        "steps": "1 per epoch, 7 in 7 epochs",
        "learning": "uncertainty weighting, natural sampling, adamw, learning rate 0.0003",
        "results": "/runs/a; MLflow at https://mlflow.example.org, experiment faceml",
    }
    assert built.total_steps == 7
    assert list(built.class_counts) == ["expression"]
    names, train, _ = zip(*built.class_counts["expression"], strict=True)
    assert names == AFFECTNET8
    assert train == (6, 0, 0, 4, 0, 0, 0, 2)


def test_build_training_plan__counts_the_faces_of_each_source(extraction_run: Path, tmp_path: Path) -> None:
    rows = [
        row | {"source": source, "image_id": f"{source}/{row['image_id']}"}
        for source, folders in (("one", "01234567"), ("two", "0"))
        for row in read_table(extraction_run.parent / "table").to_pylist()
        if row["folder"] in folders
    ]
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"), with_source=True)
    write_shard(rows, schema, tmp_path / "table" / "a.parquet")
    images = str(extraction_run.parent / "images")
    split = {"table": str(tmp_path / "table"), "images": {"one": images, "two": images}}
    built = dict(plan(extraction_run, data={"train": split, "val": split, "image_size": 32}).rows)
    of_all = built["training faces of one"]
    assert of_all.startswith("12; targets: 12 expression (")
    assert of_all.endswith("; 10 landmarks")
    assert "0 anger, 2 contempt)" in of_all
    number = sum(row["folder"] == "0" and row["status"] != "undecodable" for row in rows) // 2
    assert built["validation faces of two"].startswith(
        f"{number}; targets: {number} expression ({number} neutral, 0 happy"
    )


def test_build_training_plan__uses_the_singular_for_one(extraction_run: Path) -> None:
    alone = plan(
        extraction_run,
        training={"batch_size_per_worker": 2, "epochs": 1},
        scaling={"num_train_workers": 1, "cpus_per_worker": 1, "use_gpu": False},
    )
    rows = dict(alone.rows)
    assert rows["hardware"] == "1 worker, 1 CPU thread, fp32"
    assert rows["batch per step"] == "2 images: 1 worker × 2"
    assert rows["steps"] == "6 per epoch, 6 in 1 epoch"
    assert rows["results"] == "/runs/a"


def test_training_banner__of_other_tasks_has_a_table_of_each_classification(
    extraction_run: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("image_id,smiles,age\n0/0.png,yes,20\n0/1.png,no,30\n3/0.png,no,\n")
    root = extraction_run.parent
    split = {"table": str(root / "table"), "images": str(root / "images"), "labels": str(labels)}
    tasks = {
        "smiling": {"kind": "classification", "target": "smiles", "classes": "found"},
        "age": {"kind": "regression", "target": "age"},
    }
    built = plan(extraction_run, data={"train": split, "val": split, "image_size": 32}, tasks=tasks)
    rows = dict(built.rows)
    assert rows["task smiling"].startswith("classification, 2 classes; targets: 3 of 12 training")
    assert rows["task age"].startswith("regression, 1 column; targets: 2 of 12 training")
    assert built.class_counts == {"smiling": [("no", 2, 2), ("yes", 1, 1)]}
    screen = io.StringIO()
    Console(file=screen, width=200).print(training_banner(built))
    assert "│ no      │        2 │ 66.7" in screen.getvalue()


def test_training_banner__counts_the_faces_of_each_expression_and_marks_those_without(
    extraction_run: Path,
) -> None:
    screen = io.StringIO()
    Console(file=screen, width=200, force_terminal=True, color_system="standard").print(
        training_banner(plan(extraction_run))
    )
    lines = screen.getvalue().splitlines()
    red = "\x1b[31m"
    rows = {name: [line for line in lines if f"{name} " in line] for name in ("neutral", "happy", "contempt")}
    assert [re.findall(r"[\d.]+(?=\s)", row) for row in rows["neutral"]] == [["6", "50.0", "6"]]
    assert [red in row for row in rows["happy"] + rows["contempt"]] == [True, False]


def test_start_line__names_the_epoch_it_resumes_from() -> None:
    assert start_line("Fast 9000", "bf16", 0, 20) == "Training on Fast 9000 in bf16 starts"
    resumed = start_line("Fast 9000", "fp32", 3, 20)
    assert resumed == "Training on Fast 9000 in fp32 resumes after epoch 3 of 20"


def test_first_estimate__is_returned_once_after_enough_time() -> None:
    estimate = FirstEstimate()
    assert estimate.line(1, 10_001, 100.0, NOON) is None, "no step was timed yet"
    assert estimate.line(11, 10_001, 104.9, NOON) is None, "too short to say"
    line = estimate.line(21, 10_001, 110.0, NOON)  # 20 steps in 10 s, 9,980 to go
    assert line == "0.50 s per step: about 1:23:10 left, until Friday 13:23, without evaluations"
    assert estimate.line(31, 10_001, 120.0, NOON) is None


@pytest.mark.parametrize("step", [1, 2])
def test_first_estimate__measures_anew_after_a_restart(step: int) -> None:
    estimate = FirstEstimate()
    assert estimate.line(2, 100, 0.0, NOON) is None
    assert estimate.line(step, 100, 60.0, NOON) is None, "the minute was spent on starting"
    line = estimate.line(step + 10, 100, 70.0, NOON)
    assert line is not None
    assert line.startswith("1.00 s per step")


def test_first_estimate__is_none_at_the_end() -> None:
    estimate = FirstEstimate()
    estimate.line(1, 10, 0.0, NOON)
    assert estimate.line(10, 10, 60.0, NOON) is None
