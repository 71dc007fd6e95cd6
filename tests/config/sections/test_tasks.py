"""Configuration of tasks: kinds, their settings, and mistakes in one line each."""

from typing import Any

import pytest

from faceml.config.config_error import ConfigError
from faceml.config.loading import assign_keys, dump_config, load_yaml, parse_config
from faceml.config.sections.tasks import (
    ClassificationConfig,
    LandmarksConfig,
    RegressionConfig,
    config_of_kind,
    load_task_kind,
    parse_tasks,
    task_kinds,
)
from faceml.config.train import TrainConfig

TRAIN: dict[str, Any] = {"data": {"train": {"table": "/t"}, "val": {"table": "/v"}}, "run": {"folder": "/r"}}
MANY: dict[str, Any] = {
    "expression": {"kind": "classification", "leave_out": ["contempt"]},
    "smile": {
        "kind": "classification",
        "target": "smiles",
        "classes": ["no", "yes"],
        "aliases": {"1": "yes"},
    },
    "pose": {"kind": "regression", "target": ["yaw_deg", "roll_deg"], "scale": 90},
    "affect": {"kind": "regression", "target": "valence", "range": [-1, 1], "loss": {"kind": "ccc"}},
    "units": {"kind": "multilabel", "target": ["a", "b"], "swap_on_flip": [["a", "b"]], "threshold": 0.3},
    "points": {"kind": "landmarks", "points": [33, 263], "loss": {"kind": "wing", "width": 0.1}},
}


def training(*changes: dict[str, Any]) -> TrainConfig:
    raw = TRAIN
    for each in changes:
        raw = assign_keys(raw, each)
    return parse_config(TrainConfig, raw)


def test_tasks__of_all_kinds_come_back_from_yaml_with_their_own_settings() -> None:
    config = training({"tasks": MANY})
    assert parse_config(TrainConfig, load_yaml(dump_config(config))) == config
    assert parse_tasks(load_yaml(dump_config(config))["tasks"]) == config.tasks
    assert config.all_tasks == config.tasks
    assert list(config.all_tasks) == list(MANY)
    affect = config.all_tasks["affect"]
    assert isinstance(affect, RegressionConfig)
    assert (affect.range, affect.target_columns(), affect.needs_whole_steps) == ((-1, 1), ("valence",), True)


def test_tasks__without_them_expression_and_landmarks_have_the_losses_of_before() -> None:
    loss = {"class_weights": "inverse_frequency", "label_smoothing": 0.1, "landmarks": {"kind": "smooth_l1"}}
    config = training({"loss": loss, "data.num_landmarks": 10})
    assert config.tasks is None
    expression, landmarks = config.all_tasks["expression"], config.all_tasks["landmarks"]
    assert list(config.all_tasks) == ["expression", "landmarks"]
    assert isinstance(expression, ClassificationConfig)
    assert isinstance(landmarks, LandmarksConfig)
    assert expression.loss.model_dump() == {
        "class_weights": "inverse_frequency",
        "effective_number_beta": 0.999,
        "label_smoothing": 0.1,
        "focal_gamma": 0.0,
    }
    assert (expression.target, expression.classes) == ("folder", "affectnet8")
    assert (landmarks.points, landmarks.loss.kind) == (10, "smooth_l1")


def test_tasks__a_setting_of_one_can_be_overridden() -> None:
    config = training({"tasks": MANY}, {"tasks.pose.loss.kind": "smooth_l1", "tasks.pose.loss.beta": "1e-1"})
    pose = config.all_tasks["pose"]
    assert isinstance(pose, RegressionConfig)
    assert pose.loss.model_dump() == {"kind": "smooth_l1", "beta": 0.1}


def test_labels__are_a_path_or_a_section() -> None:
    labels = {"data.train.labels": "/l.csv", "data.val.labels": {"file": "s3://b/l", "key": "name"}}
    config = training(labels)
    train, val = config.data.train.labels, config.data.val.labels
    assert train is not None
    assert val is not None
    assert (train.file, train.key) == ("/l.csv", "image_id")
    assert (val.file, val.key) == ("s3://b/l", "name")


NUMBERS = {"kind": "regression", "target": ["a", "b"]}
LABELS = {"kind": "multilabel", "target": ["a", "b", "c"]}
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"tasks": {}}, "Bad value: 'tasks': has too few items."),
    ({"tasks": [MANY["pose"]]}, "must be a section of keys."),
    (
        {"tasks": {"pose": NUMBERS | {"kind": "regresion"}}},
        "Bad value: 'tasks.pose': kind: 'regresion' is not known; there are classification, multilabel, "
        "regression, landmarks",
    ),
    (
        {"tasks": {"pose": {"target": ["a"]}}},
        "Bad value: 'tasks.pose': needs a kind; there are classification, ",
    ),
    ({"tasks": {"pose": "regression"}}, "Bad value: 'tasks.pose' = 'regression': needs a kind; there are "),
    ({"tasks": {"pose": {"kind": "regression"}}}, "Missing key: 'tasks.pose.target'. Add it to"),
    (
        {"tasks": {"pose": NUMBERS | {"scales": 3}}},
        "Unknown key: 'tasks.pose.scales' (= 3). Did you mean 'tasks.pose.scale'? Allowed under "
        "'tasks.pose': kind, target, range, scale, negate_on_flip, loss.",
    ),
    (
        {"tasks": {"pose": NUMBERS | {"loss": {"kind": "mse", "beta": 1}}}},
        "Unknown key: 'tasks.pose.loss.beta' (= 1). Allowed under 'tasks.pose.loss': kind.",
    ),
    (
        {"tasks": {"pose": NUMBERS | {"loss": {"kind": "wing"}}}},
        "Bad value: 'tasks.pose.loss.kind' = 'wing': must be one of 'mse', 'smooth_l1', 'ccc'.",
    ),
    ({"tasks": {"pose": NUMBERS | {"target": ["a", "a"]}}}, "'tasks.pose': target: a is listed twice."),
    (
        {"tasks": {"pose": NUMBERS | {"range": [1, 1]}}},
        "range: [1.0, 1.0] must be a smaller and a larger number.",
    ),
    ({"tasks": {"pose": NUMBERS | {"negate_on_flip": ["c"]}}}, "negate_on_flip: c is not among target."),
    (
        {"tasks": {"u": LABELS | {"swap_on_flip": [["a", "d"]]}}},
        "swap_on_flip: d is not among target: a, b, c.",
    ),
    (
        {"tasks": {"u": LABELS | {"swap_on_flip": [["a", "b"], ["b", "c"]]}}},
        "'tasks.u': swap_on_flip: b is listed twice.",
    ),
    (
        {"tasks": {"c": {"kind": "classification", "classes": ["one"]}}},
        "'tasks.c.classes' = ['one']: must be",
    ),
    ({"tasks": {"l": {"kind": "landmarks", "points": 7}}}, "'tasks.l.points' = 7: must be 5 or 10"),
    (
        {"tasks": {"l": {"kind": "landmarks", "points": [1, 478]}}},
        "must be different mesh indices from 0 to 477.",
    ),
    ({"tasks": {"Pose": NUMBERS}}, "'Pose' cannot name a task: use lower-case letters"),
    (
        {"tasks": {"pose": NUMBERS}, "loss.label_smoothing": 0.1},
        "loss: with `tasks` each task has its own; move it to tasks.NAME.loss.",
    ),
    (
        {"tasks": {"pose": NUMBERS}, "data.sampling_task": "expression"},
        "data.sampling_task: 'expression' is no task; there are pose.",
    ),
    (
        {"tasks": {"pose": NUMBERS | {"loss": {"kind": "ccc"}}}, "training.accumulate_batches": 2},
        "tasks.pose.loss needs all images of a step at once, which training.accumulate_batches: 2 divides.",
    ),
    ({"selection": {"metric": "pose/mae", "mode": "up"}}, "'selection.mode' = 'up': must be 'max' or 'min'."),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES)
def test_tasks__a_mistake_is_one_line_that_names_the_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        training(changes)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_load_task_kind__an_unknown_kind_is_refused_with_those_that_there_are() -> None:
    assert task_kinds()[:4] == ["classification", "multilabel", "regression", "landmarks"]
    for find in (load_task_kind, config_of_kind):
        with pytest.raises(ValueError, match="'pairs' is not known; there are classification, multilabel"):
            find("pairs")
