"""Backbones: feature dimensions and loading of initial weights."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models import resnet18

from faceml.config.config_error import ConfigError
from faceml.config.sections import BackboneName
from faceml.models.backbone import (
    backbone_name,
    backbone_state,
    build_backbone,
    feature_dim,
    load_backbone_weights,
)
from faceml.storage.locations import place_below

CHOICES = ("none", "imagenet", "a file with a ResNet state dict")


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def complaint(weights: Path | str) -> str:
    """The error of loading `weights` into a resnet18, which must be left as it was."""
    backbone = build_backbone("resnet18")
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    with pytest.raises(ConfigError) as caught:
        load_backbone_weights(backbone, str(weights))
    message = str(caught.value)
    assert same(before, backbone.state_dict())
    assert message.startswith("model.weights: ")
    assert str(weights) in message
    assert all(choice in message for choice in CHOICES)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(("name", "width"), [("resnet18", 512), ("resnet50", 2048)])
def test_build_backbone__gives_pooled_features_of_the_stated_width(name: BackboneName, width: int) -> None:
    backbone = build_backbone(name).eval()
    assert backbone(torch.zeros(2, 3, 40, 40)).shape == (2, width)
    assert feature_dim(name) == width
    assert not any(key.startswith("fc.") for key in backbone.state_dict())
    assert backbone_name(backbone.state_dict()) == name


def test_load_backbone_weights__none_leaves_the_random_start() -> None:
    backbone = build_backbone("resnet18")
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    load_backbone_weights(backbone, "none")
    assert same(before, backbone.state_dict())


@pytest.mark.parametrize("layout", ["torchvision", "no_classifier", "no_batch_counters", "checkpoint"])
def test_load_backbone_weights__reads_every_layout(layout: str, tmp_path: Path) -> None:
    source = resnet18(weights=None)
    for buffer in source.buffers():
        buffer.add_(2)
    state = source.state_dict()
    inner = {key: value for key, value in state.items() if not key.startswith("fc.")}
    contents = {
        "torchvision": state,
        "no_classifier": inner,
        "no_batch_counters": OrderedDict((k, v) for k, v in state.items() if "num_batches" not in k),
        "checkpoint": {
            "model_state_dict": {
                **{f"backbone.{key}": value for key, value in inner.items()},
                "landmark_head.weight": torch.zeros(10, 512),
            },
            "metrics": {"val/accuracy": 0.5},
        },
    }
    torch.save(contents[layout], tmp_path / "weights.pth")
    backbone = build_backbone("resnet18")
    load_backbone_weights(backbone, str(tmp_path / "weights.pth"))
    loaded = backbone.state_dict()
    assert all(torch.equal(loaded[key], inner[key]) for key in inner if "num_batches" not in key)


def test_load_backbone_weights__imagenet_comes_from_the_cache_of_torch_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    source = resnet18(weights=None)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(source.state_dict(), tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth")
    backbone = build_backbone("resnet18")
    load_backbone_weights(backbone, "imagenet")
    assert torch.equal(backbone.state_dict()["layer4.1.conv2.weight"], source.layer4[1].conv2.weight)


def test_load_backbone_weights__unreachable_download_names_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    # A proxy at a port where nobody listens: the address cannot be reached, with or without a network.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    message = complaint("imagenet")
    assert "https://download.pytorch.org/models/resnet18-f37072fd.pth" in message


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", bytes(range(256)) * 40, b"PK\x03\x04 half a zip"]
)
def test_load_backbone_weights__a_file_of_something_else_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    assert "cannot be read" in complaint(tmp_path / "weights.pth")


def test_load_backbone_weights__a_missing_file_is_named(tmp_path: Path) -> None:
    assert "no such file" in complaint(tmp_path / "absent.pth")


def test_load_backbone_weights__of_a_store_are_the_same(tmp_path: Path, in_s3: Callable[[Path], str]) -> None:
    weights = build_backbone("resnet18").state_dict()
    (tmp_path / "run").mkdir()
    torch.save(weights, tmp_path / "run" / "best_model.pt")
    folder, backbone = in_s3(tmp_path / "run"), build_backbone("resnet18")
    load_backbone_weights(backbone, place_below(folder, "best_model.pt"))
    assert same(backbone.state_dict(), weights)
    assert "no such file" in complaint(place_below(folder, "absent.pt"))


def test_load_backbone_weights__a_list_names_what_was_found(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "weights.pth")
    assert "holds a list" in complaint(tmp_path / "weights.pth")


def test_load_backbone_weights__another_architecture_is_named(tmp_path: Path) -> None:
    torch.save(build_backbone("resnet50").state_dict(), tmp_path / "weights.pth")
    message = complaint(tmp_path / "weights.pth")
    assert "holds a resnet50, model.backbone is resnet18" in message


def test_load_backbone_weights__differing_tensors_are_named(tmp_path: Path) -> None:
    state = build_backbone("resnet18").state_dict()
    del state["layer1.0.conv1.weight"]
    state["attention.weight"] = torch.zeros(3)
    state["conv1.weight"] = torch.zeros(64, 1, 7, 7)
    torch.save(state, tmp_path / "weights.pth")
    message = complaint(tmp_path / "weights.pth")
    assert "lacks layer1.0.conv1.weight" in message
    assert "unknown attention.weight" in message
    assert "other shapes of conv1.weight" in message


def test_load_backbone_weights__a_resnet_for_grayscale_differs_in_one_shape(tmp_path: Path) -> None:
    state = build_backbone("resnet18").state_dict() | {"conv1.weight": torch.zeros(64, 1, 7, 7)}
    torch.save(dict(state), tmp_path / "weights.pth")
    assert ": has other shapes of conv1.weight. " in complaint(tmp_path / "weights.pth")


def test_load_backbone_weights__a_checkpoint_of_another_kind_is_not_a_random_start(tmp_path: Path) -> None:
    torch.save({"state_dict": build_backbone("resnet18").state_dict(), "epoch": 3}, tmp_path / "weights.pth")
    assert "lacks conv1.weight, bn1.weight, bn1.bias and " in complaint(tmp_path / "weights.pth")


def test_backbone_state__takes_only_the_backbone_of_a_checkpoint() -> None:
    checkpoint = {"model_state_dict": {"backbone.a": torch.ones(1), "landmark_head.a": torch.zeros(1)}}
    assert backbone_state(checkpoint) == {"a": torch.ones(1)}


def test_build_backbone__a_stem_of_stride_1_has_the_same_weights_and_sees_twice_as_finely() -> None:
    coarse, fine = build_backbone("resnet18").eval(), build_backbone("resnet18", stem_stride=1).eval()
    fine.load_state_dict(coarse.state_dict())
    sides = {}
    for name, backbone in (("coarse", coarse), ("fine", fine)):
        backbone.layer4.register_forward_hook(
            lambda _, __, out, name=name: sides.update({name: out.shape[-1]})
        )
        assert backbone(torch.zeros(1, 3, 112, 112)).shape == (1, 512)
    assert sides == {"coarse": 4, "fine": 7}
    # Every second row and column of the finer first map is the coarse one.
    images = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(fine.conv1(images)[..., ::2, ::2], coarse.conv1(images))
