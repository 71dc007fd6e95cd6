"""Configuration of weightings: weights by the names of tasks, and what cannot be combined."""

from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from faceml.config.config_error import ConfigError
from faceml.config.loading import assign_keys, dump_config, load_yaml, parse_config
from faceml.config.sections.weighting import ConstantWeighting, WeightingConfig, refuse_unknown_tasks
from faceml.config.train import TrainConfig
from faceml.config.tune import TuneConfig, build_trial_config

TRAIN: dict[str, Any] = {
    "data": {"train": {"table": "/t"}, "val": {"table": "/v"}},
    "run": {"folder": "/r"},
}


def weighting(**settings: Any) -> WeightingConfig:
    config: WeightingConfig = TypeAdapter(WeightingConfig).validate_python(settings)
    return config


def training(*assignments: dict[str, Any]) -> TrainConfig:
    raw = TRAIN
    for each in assignments:
        raw = assign_keys(raw, each)
    return parse_config(TrainConfig, raw)


@pytest.mark.parametrize("kind", ["fixed", "pcgrad"])
def test_constant_weighting__weights_by_task_or_by_the_keys_of_two(kind: str) -> None:
    found = weighting(kind=kind, lambdas={"pose": 0.5, "affect": "1e-3"}, lambda_landmarks=100.0)
    assert isinstance(found, ConstantWeighting)
    assert found.weights() == {"landmarks": 100.0, "pose": 0.5, "affect": 1e-3}
    assert weighting(kind=kind, lambdas={"expression": 2.0}).model_dump()["lambda_expression"] == 1.0


@pytest.mark.parametrize("task", ["expression", "landmarks"])
def test_constant_weighting__a_task_by_both_keys_is_refused(task: str) -> None:
    with pytest.raises(ValidationError, match=rf"lambdas\.{task} are the same weight; remove lambda_{task}"):
        weighting(kind="fixed", lambdas={task: 2.0}, **{f"lambda_{task}": 3.0})


@pytest.mark.parametrize("value", [-1.0, float("nan"), "much"])
def test_constant_weighting__a_weight_that_is_none_is_refused_with_its_key(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"'weighting\.lambdas\.pose' = "):
        training({"weighting": {"kind": "fixed", "lambdas": {"pose": value}}})


def test_constant_weighting__overrides_and_searches_name_a_task() -> None:
    pose = {"kind": "regression", "target": ["yaw_deg"]}
    config = training(
        {"weighting.kind": "fixed"},
        {"tasks": {"landmarks": {"kind": "landmarks"}, "pose": pose}},
        {"weighting.lambdas.landmarks": 3.0, "weighting.lambdas.pose": 2.0},
    )
    again = parse_config(TrainConfig, load_yaml(dump_config(config)))
    assert again == config
    search = {"weighting.lambdas.landmarks": {"kind": "grid", "values": [1.0, 10.0]}}
    tune = parse_config(
        TuneConfig, {"train": config.model_dump(mode="json"), "search": search, "run": {"folder": "/s"}}
    )
    trial = build_trial_config(tune, {"weighting.lambdas.landmarks": 10.0}, "/r").weighting
    assert isinstance(trial, ConstantWeighting)
    assert trial.weights() == {"landmarks": 10.0, "pose": 2.0}


def test_refuse_unknown_tasks__names_them_and_those_that_exist() -> None:
    given = weighting(kind="fixed", lambdas={"pose": 1.0, "pos": 2.0, "expression": 2.0})
    refuse_unknown_tasks(given, ["expression", "pose", "pos"])
    with pytest.raises(
        ValueError, match=r"^weighting\.lambdas: pos is not a task; the tasks are expression, pose$"
    ):
        refuse_unknown_tasks(given, ["expression", "pose"])
    with pytest.raises(ValueError, match=r"^weighting\.lambda_landmarks: landmarks is not a task"):
        refuse_unknown_tasks(weighting(kind="pcgrad", lambda_landmarks=3.0), ["expression"])
    refuse_unknown_tasks(weighting(kind="pcgrad", lambda_landmarks=1.0), ["expression"])
    refuse_unknown_tasks(weighting(kind="rlw"), ["expression"])


KINDS = [
    get_args(model.model_fields["kind"].annotation)[0] for model in get_args(get_args(WeightingConfig)[0])
]


@pytest.mark.parametrize("kind", KINDS)
def test_train_config__kinds_that_need_the_losses_of_a_step_refuse_its_division(kind: str) -> None:
    accumulated = {"weighting": {"kind": kind}, "training.accumulate_batches": 2}
    if kind not in ("famo", "uw_so", "gls", "db_mtl"):
        assert training(accumulated).training.accumulate_batches == 2
        return
    with pytest.raises(
        ConfigError, match=rf"weighting\.kind: {kind} needs .*\.accumulate_batches: 2 divides"
    ):
        training(accumulated)
    assert training({"weighting": {"kind": kind}}).weighting.kind == kind
