"""Backbones by name: registry, stages, stem, weights and refusals, those of timm among them."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn

from faceml.config.config_error import ConfigError
from faceml.config.loading import parse_config
from faceml.config.sections import backbones
from faceml.config.sections.model import ModelConfig
from faceml.models.architecture import Architecture
from faceml.models.backbone import BUILT_IN, backbone_stages, build_backbone, feature_dim
from faceml.models.backbone_weights import build_backbone_from
from faceml.models.starting_weights import refuse_unusable_network

MOBILENET, TRANSFORMER = "timm/mobilenetv3_small_100", "timm/vit_tiny_patch16_224"


def complaint(image_size: int = 64, layer_decay: float = 1.0, **model: Any) -> str:
    """The one line with which a network is refused before its training."""
    with pytest.raises(ConfigError) as caught:
        refuse_unusable_network(parse_config(ModelConfig, model, "model"), image_size, layer_decay)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_backbones__built_in_ones_are_those_of_the_configuration() -> None:
    assert tuple(BUILT_IN) == backbones.BUILT_IN


def test_config__of_a_backbone_imports_neither_torch_nor_timm() -> None:
    code = (
        "import sys; from faceml.config import ModelConfig; ModelConfig(backbone='iresnet50'); "
        f"ModelConfig(backbone='{MOBILENET}'); print([m for m in ('torch', 'timm') if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_config__without_timm_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    absent: Callable[[str], Any] = lambda name: None if name == "timm" else find(name)  # noqa: E731
    monkeypatch.setattr(backbones, "find_spec", absent)
    message = complaint(backbone=MOBILENET)
    assert message == f"Bad value: 'model.backbone' = '{MOBILENET}': needs timm: pip install 'faceml[timm]'."


@pytest.mark.parametrize(
    ("name", "count"),
    [*((name, 5) for name in BUILT_IN), (MOBILENET, 8), (TRANSFORMER, 13), ("timm/convnext_atto", 6)],
)
def test_backbone_stages__have_every_parameter_once(name: str, count: int) -> None:
    with torch.device("meta"):
        backbone = build_backbone(name, image_size=64)
        width = backbone(torch.zeros(2, 3, 64, 64)).shape[1]
    stages = backbone_stages(name, backbone, layer_decay=0.5)
    names = [parameter for stage in stages.values() for parameter in stage]
    assert sorted(names) == sorted(parameter for parameter, _ in backbone.named_parameters())
    assert len(stages) == count
    first, *_, last = stages.values()
    order = [parameter for parameter, _ in backbone.named_parameters()]
    assert order[0] in first
    assert order[-1] in last
    assert feature_dim(name, backbone) == width


def test_stem_stride__of_1_doubles_the_maps_of_mobilenet() -> None:
    coarse, fine = (build_backbone(MOBILENET, stride).eval() for stride in (2, 1))
    fine.load_state_dict(coarse.state_dict())
    sizes = list[int]()
    for backbone in (coarse, fine):
        backbone.get_submodule("blocks").register_forward_hook(
            lambda _module, _in, out: sizes.append(out.shape[-1])
        )
        backbone(torch.zeros(1, 3, 64, 64))
    assert sizes == [2, 4]


@pytest.mark.parametrize("name", ["iresnet18", "timm/test_vit"])
def test_stem_stride__of_1_is_refused_without_a_stem_of_stride_2(name: str) -> None:
    assert complaint(backbone=name, stem_stride=1) == (
        f"model.stem_stride = 1: {name} has no first convolution of stride 2. Set it to 2, which leaves the "
        "network as it is published."
    )


def test_layer_decay__without_stages_is_refused() -> None:
    message = complaint(64, 0.5, backbone="timm/pit_ti_224")
    assert message.startswith("optimizer.layer_decay = 0.5: timm/pit_ti_224 has no stages")
    assert "Set it to 1" in message


class Overlapping(Architecture):
    """An architecture whose stages have a parameter twice and another one never."""

    def build(self, image_size: int) -> nn.Module:
        return nn.Linear(2, 2)

    def feature_dim(self, backbone: nn.Module) -> int:
        return 2

    def stages(self, backbone: nn.Module) -> dict[str, list[str]]:
        return {"first": ["weight"], "second": ["weight"]}


def test_backbone_stages__that_have_a_parameter_twice_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILT_IN, "overlapping", Overlapping)
    backbone = build_backbone("overlapping")
    with pytest.raises(
        ConfigError, match=r"^model\.backbone = 'overlapping': weight is not in exactly one of"
    ):
        backbone_stages("overlapping", backbone, 0.5)


def test_backbone__that_timm_lacks_is_refused_with_names_like_it() -> None:
    message = complaint(backbone="timm/mobilenetv3_smal_100")
    assert message.startswith("model.backbone = 'timm/mobilenetv3_smal_100': timm ")
    assert f"Near it are {MOBILENET}, " in message
    assert "vit_tiny_patch16_224.augreg_in21k" in complaint(backbone=f"{TRANSFORMER}.augreg_in21")


def test_image_size__that_does_not_fit_is_refused() -> None:
    message = complaint(64, backbone="timm/efficientformer_l1")
    assert message.startswith("data.image_size = 64: timm/efficientformer_l1 cannot process images of this ")
    message = complaint(112, backbone="timm/twins_pcpvt_small")
    assert message.startswith("data.image_size = 112: timm/twins_pcpvt_small cannot be built for images of ")
    assert message.endswith("It is published for 224 px.")


def test_imagenet__that_does_not_exist_is_refused() -> None:
    message = complaint(backbone="iresnet18", weights="imagenet")
    assert message.startswith("model.weights: imagenet: there are no such weights of iresnet18. Choose none")
    unpublished = next(name for name in timm.list_models("resnet*") if not timm.is_model_pretrained(name))
    assert "there are no such weights" in complaint(backbone=f"timm/{unpublished}", weights="imagenet")


def test_imagenet__of_timm_that_cannot_be_reached_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    message = complaint(backbone=MOBILENET, weights="imagenet")
    assert message.startswith(f"model.weights: imagenet (timm's download of {MOBILENET}.")
    assert "cannot be read" in message
    assert "Choose none" in message


def published(name: str) -> nn.Module:
    """A network of timm as it is published, with a classifier, and statistics of its own."""
    torch.manual_seed(2)
    network: nn.Module = timm.create_model(name.removeprefix("timm/"))
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    return network


@pytest.mark.parametrize(("name", "image_size"), [(MOBILENET, 64), ("timm/test_vit", 160)])
def test_weights__of_a_file_of_timm_leave_the_classifier_out(
    name: str, image_size: int, tmp_path: Path
) -> None:
    source = published(name).eval()
    torch.save(
        {"model": {f"module.{k}": v for k, v in source.state_dict().items()}}, tmp_path / "weights.pth"
    )
    config = ModelConfig(backbone=name, weights=str(tmp_path / "weights.pth"))
    backbone = build_backbone_from(config, image_size).eval()
    images = torch.randn(1, 3, image_size, image_size)
    with torch.no_grad():
        expected = source.forward_head(source.forward_features(images), pre_logits=True)  # type: ignore[operator]
        torch.testing.assert_close(backbone(images), expected)


def test_weights__of_a_transformer_are_fitted_to_another_image_size(tmp_path: Path) -> None:
    large = build_backbone("timm/test_vit", image_size=64)
    torch.save(large.state_dict(), tmp_path / "weights.pth")
    config = ModelConfig(backbone="timm/test_vit", weights=str(tmp_path / "weights.pth"))
    small = build_backbone_from(config, 32).state_dict()
    assert large.state_dict()["pos_embed"].shape == (1, 1 + 4 * 4, 64)
    assert small["pos_embed"].shape == (1, 1 + 2 * 2, 64)
    assert all(torch.equal(values, large.state_dict()[name]) for name, values in small.items()
               if name != "pos_embed")  # fmt: skip


def test_weights__of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(build_backbone("resnet18").state_dict(), tmp_path / "weights.pth")
    message = complaint(backbone="iresnet18", weights=str(tmp_path / "weights.pth"))
    assert "holds a resnet18, model.backbone is iresnet18" in message
    message = complaint(backbone=MOBILENET, weights=str(tmp_path / "weights.pth"))
    assert f"holds a resnet18, model.backbone is {MOBILENET}" in message
