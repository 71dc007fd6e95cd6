"""Loading of trained networks, and errors that name each difference."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from torch import Tensor

from faceml.config.config_error import ConfigError
from faceml.config.sections.model import ModelConfig
from faceml.config.sections.tasks import parse_tasks
from faceml.datasets.preprocessing import Preprocessing
from faceml.models.multitask import MultitaskFaceModel, build_multitask_model
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.tasks.build import build_tasks
from faceml.tasks.classes import AFFECTNET8
from faceml.training.checkpoint import model_checkpoint, write_state
from faceml.training.trained_model import load_trained_model
from tests.default_tasks import default_pair, pair_model

CONFIG = {
    "model": {"backbone": "resnet18", "weights": "imagenet", "embedding_dim": 16},
    "data": {"image_size": 48, "num_landmarks": 10},
}


@pytest.fixture(scope="module")
def model() -> MultitaskFaceModel:
    torch.manual_seed(0)
    return pair_model(ModelConfig(embedding_dim=16), 10)


@pytest.fixture
def checkpoint(model: MultitaskFaceModel) -> dict[str, Any]:
    return model_checkpoint(model, CONFIG, Preprocessing(48), default_pair(10), {"val/accuracy": 0.5})


def test_load_trained_model__is_the_one_that_was_kept(
    model: MultitaskFaceModel, checkpoint: dict[str, Any], tmp_path: Path
) -> None:
    write_state(checkpoint, tmp_path / "best_model.pt")
    found = load_trained_model(tmp_path / "best_model.pt")
    assert (found.preprocessing, found.framed_by) == (Preprocessing(48), LANDMARK_SETS[10])
    assert list(found.tasks) == ["expression", "landmarks"]
    assert not found.model.training
    images = torch.randn(2, 3, 48, 48)
    assert_same_outputs(found.model, model.eval(), images)


def assert_same_outputs(found: MultitaskFaceModel, wanted: MultitaskFaceModel, images: Tensor) -> None:
    with torch.inference_mode():
        one, other = found(images), wanted(images)
    assert one.tasks.keys() == other.tasks.keys()
    assert torch.equal(one.embedding, other.embedding)
    assert all(torch.equal(output, other.tasks[name]) for name, output in one.tasks.items())


def as_before_there_were_other_tasks(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The content of the file when expression and landmarks were the only tasks."""
    preprocessing = checkpoint["preprocessing"] | {"labels": list(AFFECTNET8)}
    return {k: v for k, v in checkpoint.items() if k not in ("tasks", "outputs")} | {
        "preprocessing": preprocessing
    }


def test_load_trained_model__of_a_version_without_tasks_has_the_two(
    model: MultitaskFaceModel, checkpoint: dict[str, Any], tmp_path: Path
) -> None:
    write_state(as_before_there_were_other_tasks(checkpoint), tmp_path / "best_model.pt")
    found = load_trained_model(tmp_path / "best_model.pt")
    assert {name: task.contract() for name, task in found.tasks.items()} == {
        "expression": {"classes": list(AFFECTNET8)},
        "landmarks": {"points": list(LANDMARK_SETS[10].names)},
    }
    assert_same_outputs(found.model, model.eval(), torch.randn(2, 3, 48, 48))


MANY = {
    "feeling": {"kind": "classification", "target": "emotion", "classes": "found", "leave_out": ["none"]},
    "happy": {
        "kind": "classification",
        "target": "smiles",
        "classes": ["no", "yes"],
        "aliases": {"1": "yes"},
    },
    "pose": {"kind": "regression", "target": ["yaw_deg", "pitch_deg", "roll_deg"], "scale": 90},
    "affect": {"kind": "regression", "target": ["valence"], "range": [-1, 1], "loss": {"kind": "ccc"}},
    "units": {"kind": "multilabel", "target": ["au01", "au02"], "threshold": 0.3},
    "points": {"kind": "landmarks", "points": [33, 263, 1], "loss": {"kind": "wing"}},
}


def test_load_trained_model__any_tasks_come_back_with_all_that_they_found(tmp_path: Path) -> None:
    tasks = build_tasks(parse_tasks(MANY))
    tasks["feeling"].learn(pa.table({"emotion": ["sad", "none", "happy", "sad", "angry"]}), "table")
    heads = {name: task.build_head for name, task in tasks.items()}
    made = build_multitask_model(ModelConfig(embedding_dim=16), heads)
    write_state(model_checkpoint(made, CONFIG, Preprocessing(48), tasks, {}), tmp_path / "best_model.pt")
    found = load_trained_model(tmp_path / "best_model.pt")
    contracts = {name: task.contract() for name, task in found.tasks.items()}
    assert contracts == {name: task.contract() for name, task in tasks.items()}
    assert contracts["feeling"] == {"classes": ["angry", "happy", "sad"]}
    images = torch.randn(2, 3, 48, 48)
    assert_same_outputs(found.model, made.eval(), images)
    rows = pa.table({"image_id": ["a", "b", "c"], "emotion": ["sad", None, "angry"]})
    mine, theirs = (each["feeling"].read(rows, "table") for each in (found.tasks, tasks))
    assert torch.equal(mine.values, theirs.values)
    assert mine.known.tolist() == theirs.known.tolist() == [True, False, True]
    with torch.inference_mode():
        outputs = made(images).tasks
    for name, task in found.tasks.items():
        for part, values in task.outputs(outputs[name]).items():
            assert torch.equal(values, tasks[name].outputs(outputs[name])[part]), part


def test_load_trained_model__weights_that_are_not_finite_are_named(
    checkpoint: dict[str, Any], tmp_path: Path
) -> None:
    state = {name: tensor.clone() for name, tensor in checkpoint["model_state_dict"].items()}
    state["projection.1.running_mean"][3] = float("nan")
    write_state(checkpoint | {"model_state_dict": state}, tmp_path / "best_model.pt")
    with pytest.raises(
        ConfigError, match=r"best_model.pt: has NaN or infinite values in projection.1.running_m"
    ):
        load_trained_model(tmp_path / "best_model.pt")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("color_order", "bgr", "color_order bgr where this faceml has rgb"),
        ("resize", "center_crop", "resize center_crop where this faceml has stretch"),
        ("interpolation", "nearest", "interpolation nearest where this faceml has bilinear_antialias"),
        ("mean", [0.5, 0.5, 0.5], "mean [0.5, 0.5, 0.5] where this faceml has [0.485, 0.456, 0.406]"),
        ("gamma", 2.2, "gamma 2.2 where this faceml has None"),
    ],
)
def test_load_trained_model__another_preprocessing_is_refused_by_name(
    name: str, value: Any, told: str, checkpoint: dict[str, Any], tmp_path: Path
) -> None:
    checkpoint["preprocessing"] |= {name: value}
    write_state(checkpoint, tmp_path / "m.pt")
    with pytest.raises(ConfigError) as error:
        load_trained_model(tmp_path / "m.pt")
    assert told in str(error.value)
    assert str(tmp_path / "m.pt") in str(error.value)
    assert "\n" not in str(error.value)


OTHER_ORDER = {
    "preprocessing.labels": "outputs.expression.classes [anger, contempt, disgust, fear, happy",
    "landmark_set": "outputs.landmarks.points [mouth_bottom, mouth_top, mouth_right",
}


@pytest.mark.parametrize("key", OTHER_ORDER)
def test_load_trained_model__another_order_in_a_version_without_tasks_is_refused(
    key: str, checkpoint: dict[str, Any], tmp_path: Path
) -> None:
    before = as_before_there_were_other_tasks(checkpoint)
    if key == "landmark_set":
        before[key] = list(reversed(before[key]))
    else:
        before["preprocessing"]["labels"] = sorted(AFFECTNET8)
    write_state(before, tmp_path / "m.pt")
    with pytest.raises(ConfigError) as error:
        load_trained_model(tmp_path / "m.pt")
    assert OTHER_ORDER[key] in str(error.value)


@pytest.mark.parametrize(("task", "part"), [("expression", "classes"), ("landmarks", "points")])
def test_load_trained_model__another_order_of_classes_or_points_is_refused(
    task: str, part: str, checkpoint: dict[str, Any], tmp_path: Path
) -> None:
    outputs = {name: dict(contract) for name, contract in checkpoint["outputs"].items()}
    outputs[task][part] = list(reversed(outputs[task][part]))
    write_state(checkpoint | {"outputs": outputs}, tmp_path / "m.pt")
    with pytest.raises(ConfigError, match=rf"outputs\.{task}\.{part} \["):
        load_trained_model(tmp_path / "m.pt")


def test_load_trained_model__a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    write_state({"state_dict": {}}, tmp_path / "m.pt")
    with pytest.raises(ConfigError, match="is no model of `faceml train`; it lacks model_state_dict"):
        load_trained_model(tmp_path / "m.pt")


def test_load_trained_model__with_a_backbone_of_an_absent_package_is_refused(
    checkpoint: dict[str, Any], tmp_path: Path
) -> None:
    config = checkpoint["config"] | {"model": checkpoint["config"]["model"] | {"backbone": "absent"}}
    write_state(checkpoint | {"config": config}, tmp_path / "m.pt")
    with pytest.raises(
        ConfigError, match=r"m\.pt: Bad value: 'model\.backbone' = 'absent': must be resnet18,"
    ):
        load_trained_model(tmp_path / "m.pt")
