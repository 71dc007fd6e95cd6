"""Backbones: feature dimensions and loading of initial weights."""

import argparse
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.models import resnet18

from faceml.config.config_error import ConfigError
from faceml.models.backbone import build_backbone, feature_dim
from faceml.models.backbone_weights import backbone_name, load_backbone_weights
from faceml.storage.locations import place_below

CHOICES = ("none", "imagenet", "a file with a state dict of the backbone")


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def complaint(weights: Path | str) -> str:
    """The error of loading `weights` into a resnet18, which must be left as it was."""
    backbone = build_backbone("resnet18")
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    with pytest.raises(ConfigError) as caught:
        load_backbone_weights(backbone, "resnet18", str(weights))
    message = str(caught.value)
    assert same(before, backbone.state_dict())
    assert message.startswith("model.weights: ")
    assert str(weights) in message
    assert all(choice in message for choice in CHOICES)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(("name", "width"), [("resnet18", 512), ("resnet50", 2048)])
def test_build_backbone__gives_pooled_features_of_the_stated_width(name: str, width: int) -> None:
    backbone = build_backbone(name).eval()
    assert backbone(torch.zeros(2, 3, 40, 40)).shape == (2, width)
    assert feature_dim(name, backbone) == width
    assert not any(key.startswith("fc.") for key in backbone.state_dict())
    assert backbone_name(backbone.state_dict()) == name


def test_load_backbone_weights__none_leaves_the_random_start() -> None:
    backbone = build_backbone("resnet18")
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    load_backbone_weights(backbone, "resnet18", "none")
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
    load_backbone_weights(backbone, "resnet18", str(tmp_path / "weights.pth"))
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
    load_backbone_weights(backbone, "resnet18", "imagenet")
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
    load_backbone_weights(backbone, "resnet18", place_below(folder, "best_model.pt"))
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


def resnet_state() -> dict[str, Tensor]:
    return dict(resnet18(weights=None).state_dict())


def named(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    "layout",
    ["state_dict", "ddp", "compiled_ddp", "lightning", "reference", "timm", "averaged", "nested", "heads"],
)
def test_load_backbone_weights__reads_the_checkpoints_of_other_programs(layout: str, tmp_path: Path) -> None:
    state, other = resnet_state(), resnet_state()
    average = {"n_averaged": torch.tensor(3), **named("module.", state)}
    contents: dict[str, dict[str, Any]] = {
        "state_dict": {"state_dict": state, "epoch": 3, "optimizer": {"state": {}, "param_groups": []}},
        "ddp": {"state_dict": named("module.", state), "best_acc1": torch.tensor(0.7)},
        "compiled_ddp": {"model": named("module._orig_mod.", state)},
        "lightning": {"state_dict": named("model.", state), "hyper_parameters": {"lr": 0.1}},
        "reference": {"model": other, "model_ema": average, "args": argparse.Namespace(epochs=90, lr=0.1)},
        "timm": {"state_dict": other, "state_dict_ema": state, "arch": "resnet18"},
        "averaged": average,
        "nested": {"model": {"state_dict": named("backbone.", state)}},
        "heads": {**named("encoder.", state), "projector.0.weight": torch.zeros(3, 3)},
    }
    torch.save(contents[layout], tmp_path / "weights.pth")
    backbone = build_backbone("resnet18")
    load_backbone_weights(backbone, "resnet18", str(tmp_path / "weights.pth"))
    assert same(backbone.state_dict(), {key: state[key] for key in backbone.state_dict()})


@pytest.mark.parametrize("in_store", [False, True])
def test_load_backbone_weights__reads_safetensors(
    in_store: bool, tmp_path: Path, in_s3: Callable[[Path], str]
) -> None:
    pytest.importorskip("safetensors")
    from safetensors.torch import save_file

    (tmp_path / "run").mkdir()
    state, file = resnet_state(), tmp_path / "run" / "model.safetensors"
    save_file(named("module.", state), file)
    backbone = build_backbone("resnet18")
    place = place_below(in_s3(file.parent), file.name) if in_store else str(file)
    load_backbone_weights(backbone, "resnet18", place)
    assert same(backbone.state_dict(), {key: state[key] for key in backbone.state_dict()})
    file.write_bytes(file.read_bytes()[:1000])
    assert "cannot be read" in complaint(file)


def test_load_backbone_weights__two_networks_in_a_file_are_named(tmp_path: Path) -> None:
    query_and_key = named("module.encoder_q.", resnet_state()) | named("module.encoder_k.", resnet_state())
    torch.save({"state_dict": query_and_key}, tmp_path / "moco.pth")
    assert "several such networks (module.encoder_q.…, module.encoder_k.…)" in complaint(
        tmp_path / "moco.pth"
    )


def test_load_backbone_weights__differing_tensors_are_named_with_their_prefix(tmp_path: Path) -> None:
    state = resnet_state()
    del state["bn1.weight"]
    torch.save({"model": named("module.", state)}, tmp_path / "weights.pth")
    assert "its network with the prefix module. lacks bn1.weight. " in complaint(tmp_path / "weights.pth")


class Recipe:
    """Of a program that is not here."""


def test_load_backbone_weights__python_objects_are_refused_with_the_remedy(tmp_path: Path) -> None:
    torch.save({"state_dict": resnet_state(), "recipe": Recipe()}, tmp_path / "weights.pth")
    message = complaint(tmp_path / "weights.pth")
    assert "Recipe), which could run code when loaded" in message
    assert "torch.save(model.state_dict(), FILE)" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_load_backbone_weights__values_that_are_not_finite_are_named(value: float, tmp_path: Path) -> None:
    state = resnet_state()
    state["layer3.0.bn1.running_var"][7] = value
    torch.save(state, tmp_path / "weights.pth")
    message = complaint(tmp_path / "weights.pth")
    assert "has NaN or infinite values in layer3.0.bn1.running_var: its training diverged" in message


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
