"""Plan of a training and estimate of its remaining time."""

import io
import re
from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console

from faceml.config.loading import parse_config
from faceml.config.train import TrainConfig
from faceml.datasets.labels import EXPRESSIONS
from faceml.reporting.training.plan import (
    FirstEstimate,
    SplitPlan,
    TrainingPlan,
    build_training_plan,
    plan_rows,
    start_line,
    training_banner,
)
from faceml.training.faces import build_faces

NOON = datetime(2026, 3, 6, 12, 0)  # a Friday


def plan(**changes: object) -> TrainingPlan:
    values = {
        "network": "resnet50, weights imagenet, images of 112 px, 5 landmarks",
        "workers": 2,
        "cpus_per_worker": 4,
        "use_gpu": True,
        "train": SplitPlan(Path("/train"), [900, 97, 0], {"undecodable": 2, "empty_file": 1}),
        "val": SplitPlan(Path("/val"), [10, 10, 10], {}),
        "classes": ["neutral", "happy", "sad"],
        "batch_size_per_worker": 16,
        "accumulate_batches": 3,
        "steps_per_epoch": 1000,
        "epochs": 20,
        "precision": "bf16",
        "learning": "fixed weighting, sqrt sampling, adamw, learning rate 0.0003",
        "results": "/runs/a",
    }
    return TrainingPlan(**values | changes)  # type: ignore[arg-type]


def test_plan_rows__list_hardware_faces_steps_and_results() -> None:
    assert dict(plan_rows(plan())) == {
        "network": "resnet50, weights imagenet, images of 112 px, 5 landmarks",
        "hardware": "2 workers, each a GPU and 4 CPU threads, bf16",
        "training faces": "997 in /train; excluded images: 2 undecodable, 1 empty_file",
        "validation faces": "30 in /val",
        "batch per step": "96 images: 2 workers × 16 × 3 batches",
        "steps": "1,000 per epoch, 20,000 in 20 epochs",
        "learning": "fixed weighting, sqrt sampling, adamw, learning rate 0.0003",
        "results": "/runs/a",
    }


def test_plan_rows__use_the_singular_for_one() -> None:
    alone = dict(plan_rows(plan(workers=1, cpus_per_worker=1, use_gpu=False, accumulate_batches=1, epochs=1)))
    assert alone["hardware"] == "1 worker, 1 CPU thread, bf16"
    assert alone["batch per step"] == "16 images: 1 worker × 16"
    assert alone["steps"] == "1,000 per epoch, 1,000 in 1 epoch"


def test_training_banner__counts_the_faces_of_each_expression_and_marks_those_without() -> None:
    screen = io.StringIO()
    Console(file=screen, width=100, force_terminal=True, color_system="standard").print(
        training_banner(plan())
    )
    lines = screen.getvalue().splitlines()
    red = "\x1b[31m"
    rows = {name: [line for line in lines if f"{name} " in line] for name in ("neutral", "happy", "sad")}
    assert [re.findall(r"[\d.]+(?=\s)", row) for row in rows["neutral"]] == [["900", "90.3", "10"]]
    assert [red in row for row in rows["happy"] + rows["sad"]] == [False, True]


def test_build_training_plan__combines_configuration_and_tables(extraction_run: Path, tmp_path: Path) -> None:
    root = extraction_run.parent
    split = {"table": str(root / "table"), "images": str(root / "images")}
    raw = {
        "data": {"train": split, "val": split, "image_size": 32},
        "training": {"batch_size_per_worker": 2, "accumulate_batches": 2, "epochs": 7},
        "scaling": {"num_train_workers": 2},
        "run": {"folder": str(tmp_path / "run")},
        "tracking": {"kind": "mlflow", "uri": "https://mlflow.example.org"},
    }
    config = parse_config(TrainConfig, raw)
    built = build_training_plan(config, build_faces(config.data))
    assert list(built.train.class_counts) == [6, 0, 0, 4, 0, 0, 0, 2]
    assert str(built.val) == f"12 in {root / 'table'}; excluded images: 1 undecodable"
    assert (built.images_per_step, built.steps_per_epoch, built.epochs) == (8, 1, 7)
    assert tuple(built.classes) == EXPRESSIONS
    assert built.network == "resnet18, random weights, images of 32 px, 5 landmarks"
    assert built.results == f"{tmp_path / 'run'}; MLflow at https://mlflow.example.org, experiment faceml"


def test_start_line__names_the_epoch_it_resumes_from() -> None:
    assert start_line("Fast 9000", 0, 20) == "Training on Fast 9000 starts"
    assert start_line("Fast 9000", 3, 20) == "Training on Fast 9000 resumes after epoch 3 of 20"


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
