"""The metric that selects a model: any of any task, by its own direction or the other one."""

from typing import Any, Literal

import pytest

from faceml.config.config_error import ConfigError
from faceml.config.sections.losses import LossConfig
from faceml.config.sections.tasks import default_tasks, parse_tasks
from faceml.config.train import SelectionConfig
from faceml.tasks.selection import select_score

PAIR = default_tasks(LossConfig(), 5)
MANY = parse_tasks(
    {
        "pose": {"kind": "regression", "target": ["yaw_deg", "roll_deg"]},
        "affect": {"kind": "regression", "target": ["valence"], "loss": {"kind": "ccc"}},
        "smile": {"kind": "classification", "classes": "found", "target": "smiles"},
        "units": {"kind": "multilabel", "target": ["au01", "au02"]},
        "points": {"kind": "landmarks", "points": 10},
    }
)


def selected(metric: str, mode: Literal["max", "min"] | None = None, tasks: Any = MANY) -> tuple[str, bool]:
    score = select_score(SelectionConfig(metric=metric, mode=mode), tasks)
    return score.metric, score.minimised


def test_select_score__the_default_is_that_of_the_first_task() -> None:
    assert select_score(None, PAIR).metric == "val/accuracy"
    assert select_score(None, MANY).metric == "val/pose/mae"
    assert select_score(None, MANY).minimised
    assert select_score(None, {"affect": MANY["affect"]}).metric == "val/affect/ccc"


@pytest.mark.parametrize(
    ("metric", "name", "minimised"),
    [
        ("expression/accuracy", "val/accuracy", False),
        ("accuracy", "val/accuracy", False),
        ("val/macro_f1", "val/macro_f1", False),
        ("expression/loss", "val/loss_expression", True),
        ("landmarks/mse", "val/landmark_mse", True),
        ("landmark_mse", "val/landmark_mse", True),
        ("nme_interocular", "val/nme_interocular", True),
        ("landmarks/nme_nose_tip", "val/nme_nose_tip", True),
    ],
)
def test_select_score__of_the_two_tasks_by_the_names_of_records_or_of_tasks(
    metric: str, name: str, minimised: bool
) -> None:
    assert selected(metric, tasks=PAIR) == (name, minimised)


@pytest.mark.parametrize(
    ("metric", "minimised"),
    [
        ("pose/mae", True),
        ("pose/rmse", True),
        ("pose/mae_roll_deg", True),
        ("pose/ccc_yaw_deg", False),
        ("affect/ccc", False),
        ("affect/loss", True),
        ("smile/accuracy", False),
        ("units/f1_au02", False),
        ("points/nme_mouth_top", True),
    ],
)
def test_select_score__of_any_task_in_its_direction_or_the_other(metric: str, minimised: bool) -> None:
    assert selected(metric) == (f"val/{metric}", minimised)
    assert selected(f"val/{metric}") == (f"val/{metric}", minimised)
    assert selected(metric, "min") == (f"val/{metric}", True)
    assert selected(metric, "max") == (f"val/{metric}", False)


@pytest.mark.parametrize("metric", ["pose/accuracy", "accuracy", "train/loss", "happiness"])
def test_select_score__another_metric_is_refused_with_those_that_there_are(metric: str) -> None:
    with pytest.raises(ConfigError) as error:
        selected(metric)
    message = str(error.value)
    assert message.startswith(f"selection.metric: '{metric}' is no metric of these tasks; choose pose/mae, ")
    assert "affect/ccc" in message
    assert "or a part such as pose/mae_yaw_deg" in message
    assert "\n" not in message
