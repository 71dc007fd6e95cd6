from typing import Any

import pytest

from faceml.config.sections.tasks import parse_tasks
from faceml.metrics.score import Score
from faceml.reporting.training.summary import (
    best_record,
    epochs_table,
    multitask_columns,
    training_summary,
    watched_figures,
    watched_metrics,
)
from faceml.tasks.build import build_tasks
from tests.default_tasks import default_pair

ACCURACY = Score("val/accuracy", "accuracy", minimised=False, is_share=True, digits=1)
MAE = Score("val/pose/mae", "pose MAE", minimised=True, is_share=False, digits=None)


def _records(*accuracies: float, metric: str = "val/accuracy") -> list[dict[str, Any]]:
    return [{"epoch": epoch, metric: accuracy} for epoch, accuracy in enumerate(accuracies, start=1)]


def test_best_record__is_the_later_of_equals() -> None:
    assert best_record(_records(0.5, 0.7, 0.7, 0.6), ACCURACY)["epoch"] == 3


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_best_record__of_an_error_is_the_smallest_and_never_a_missing_one(missing: float | None) -> None:
    records = _records(4.0, 2.0, 3.0, metric="val/pose/mae")
    assert best_record(records, MAE)["epoch"] == 2
    assert best_record([*records, {"epoch": 4, "val/pose/mae": missing}], MAE)["epoch"] == 2


def test_training_summary__has_the_best_and_the_last() -> None:
    summary = training_summary(_records(0.5, 0.7, 0.6), 1.234, ACCURACY)
    assert (summary["epochs"], summary["wall_s"]) == (3, 1.23)
    assert (summary["best"]["epoch"], summary["last"]["epoch"]) == (2, 3)
    assert summary["selection"] == {"metric": "val/accuracy", "mode": "max"}
    of_errors = training_summary(_records(2.0, 3.0, metric="val/pose/mae"), 1.0, MAE)
    assert of_errors["selection"] == {"metric": "val/pose/mae", "mode": "min"}


def test_multitask_columns__of_the_default_pair_have_the_names_of_its_metrics() -> None:
    columns = multitask_columns(default_pair())
    assert [name for name, _ in columns.values()] == [
        "epoch",
        *("train/loss_expression", "train/loss_landmarks", "val/accuracy", "val/macro_f1"),
        *("val/landmark_mse", "val/nme_interocular", "train/images_per_second"),
    ]
    assert watched_metrics(default_pair()) == [
        *("train/loss_expression", "train/loss_landmarks", "val/accuracy", "val/landmark_mse")
    ]


def test_epochs_table__of_other_tasks_highlights_the_best_epoch() -> None:
    pose = {"kind": "regression", "target": ["yaw_deg", "pitch_deg", "roll_deg"]}
    tasks = build_tasks(parse_tasks({"pose": pose}))
    records = [
        {
            "epoch": epoch,
            "train/loss_pose": 2.0,
            "val/pose/mae": mae,
            "val/pose/rmse": 2.5,
            "val/pose/ccc": None,
            "train/images_per_second": 10.0,
        }
        for epoch, mae in enumerate([3.0, 1.25, 2.0], start=1)
    ]
    table = epochs_table(records, multitask_columns(tasks), MAE)
    assert list(table.header) == ["epoch", "pose loss", "pose MAE", "pose RMSE", "pose CCC", "img/s"]
    assert list(table.rows[1]) == ["2", "2", "1.25", "2.5", "–", "10"]
    assert table.highlighted == {1}
    watched = watched_metrics(tasks)
    assert (
        watched_figures({"train/loss_pose": 2.0, "val/pose/mae": 1.25}, watched)
        == "loss_pose 2  pose/mae 1.25"
    )
