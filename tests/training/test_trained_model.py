"""Loading of trained networks, and errors that name each difference."""

from pathlib import Path
from typing import Any

import pytest
import torch

from faceml.config.config_error import ConfigError
from faceml.config.sections import ModelConfig
from faceml.datasets.labels import EXPRESSIONS
from faceml.datasets.preprocessing import Preprocessing
from faceml.models.multitask import MultitaskFaceModel, build_multitask_model
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.training.checkpoint import model_checkpoint, write_state
from faceml.training.trained_model import load_trained_model

CONFIG = {
    "model": {"backbone": "resnet18", "weights": "imagenet", "embedding_dim": 16},
    "data": {"image_size": 48, "num_landmarks": 10},
}


@pytest.fixture(scope="module")
def model() -> MultitaskFaceModel:
    torch.manual_seed(0)
    return build_multitask_model(ModelConfig(embedding_dim=16), 10)


@pytest.fixture
def checkpoint(model: MultitaskFaceModel) -> dict[str, Any]:
    return model_checkpoint(model, CONFIG, Preprocessing(48), LANDMARK_SETS[10], {"val/accuracy": 0.5})


def test_load_trained_model__is_the_one_that_was_kept(
    model: MultitaskFaceModel, checkpoint: dict[str, Any], tmp_path: Path
) -> None:
    write_state(checkpoint, tmp_path / "best_model.pt")
    found = load_trained_model(tmp_path / "best_model.pt")
    assert (found.preprocessing, found.landmark_set) == (Preprocessing(48), LANDMARK_SETS[10])
    assert not found.model.training
    images = torch.randn(2, 3, 48, 48)
    for mine, theirs in zip(found.model(images), model.eval()(images), strict=True):
        assert torch.equal(mine, theirs)


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
        (
            "labels",
            sorted(EXPRESSIONS),
            "labels [anger, contempt, disgust, fear, happy, neutral, sad, surprise] where",
        ),
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


def test_load_trained_model__another_order_of_points_is_refused(
    checkpoint: dict[str, Any], tmp_path: Path
) -> None:
    checkpoint["landmark_set"] = list(reversed(checkpoint["landmark_set"]))
    write_state(checkpoint, tmp_path / "m.pt")
    with pytest.raises(ConfigError, match="landmark_set"):
        load_trained_model(tmp_path / "m.pt")


def test_load_trained_model__a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    write_state({"state_dict": {}}, tmp_path / "m.pt")
    with pytest.raises(ConfigError, match="is no model of `faceml train`; it lacks model_state_dict"):
        load_trained_model(tmp_path / "m.pt")
