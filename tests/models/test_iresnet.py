"""Improved residual networks: sizes and names of the published ones, and the forward pass recomputed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from faceml.config.sections.model import ModelConfig
from faceml.models.backbone import build_backbone
from faceml.models.backbone_weights import build_backbone_from

# Blocks of the four stages, and millions of parameters of insightface's networks.
PUBLISHED = {
    "iresnet18": ((2, 2, 2, 2), 24.03),
    "iresnet50": ((3, 4, 14, 3), 43.59),
    "iresnet100": ((3, 13, 30, 3), 65.16),
}
WIDTHS = (64, 128, 256, 512)
STATISTICS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def published_names(blocks: tuple[int, ...]) -> Iterator[str]:
    """The names of the tensors of a `backbone.pth` of arcface_torch."""

    def norm(name: str) -> Iterator[str]:
        return (f"{name}.{each}" for each in STATISTICS)

    yield from ("conv1.weight", *norm("bn1"), "prelu.weight")
    for layer, count in enumerate(blocks, start=1):
        for block in range(count):
            inside = f"layer{layer}.{block}"
            yield from (*norm(f"{inside}.bn1"), f"{inside}.conv1.weight", *norm(f"{inside}.bn2"))
            yield from (f"{inside}.prelu.weight", f"{inside}.conv2.weight", *norm(f"{inside}.bn3"))
            if block == 0:
                yield from (f"{inside}.downsample.0.weight", *norm(f"{inside}.downsample.1"))
    yield from (*norm("bn2"), "fc.weight", "fc.bias", *norm("features"))


def normed(maps: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    weight, bias, mean, variance = (state[f"{name}.{each}"][:, None, None] for each in STATISTICS[:4])
    return (maps - mean) / (variance + 1e-5).sqrt() * weight + bias


def prelu(maps: Tensor, slope: Tensor) -> Tensor:
    return torch.where(maps > 0, maps, maps * slope[:, None, None])


def recomputed(images: Tensor, state: dict[str, Tensor], blocks: tuple[int, ...]) -> Tensor:
    maps = functional.conv2d(images, state["conv1.weight"], padding=1)
    maps = prelu(normed(maps, state, "bn1"), state["prelu.weight"])
    for layer, count in enumerate(blocks, start=1):
        for block in range(count):
            of, stride = f"layer{layer}.{block}", 1 + (block == 0)
            inner = functional.conv2d(
                normed(maps, state, f"{of}.bn1"), state[f"{of}.conv1.weight"], padding=1
            )
            inner = prelu(normed(inner, state, f"{of}.bn2"), state[f"{of}.prelu.weight"])
            inner = functional.conv2d(inner, state[f"{of}.conv2.weight"], stride=stride, padding=1)
            if block == 0:
                maps = functional.conv2d(maps, state[f"{of}.downsample.0.weight"], stride=2)
                maps = normed(maps, state, f"{of}.downsample.1")
            maps = maps + normed(inner, state, f"{of}.bn3")
    return normed(maps, state, "bn2").mean(dim=(2, 3))


@pytest.mark.parametrize("name", PUBLISHED)
def test_build_backbone__has_the_tensors_of_insightface(name: str) -> None:
    blocks, millions = PUBLISHED[name]
    with torch.device("meta"):
        backbone = build_backbone(name)
    left_out = [each for each in published_names(blocks) if each.startswith(("fc.", "features."))]
    assert [*backbone.state_dict(), *left_out] == list(published_names(blocks))
    # `fc` maps 512 channels of 7×7 to 512 numbers, `features` normalises them.
    rest = 512 * 7 * 7 * 512 + 512 + 2 * 512
    total = rest + sum(parameter.numel() for parameter in backbone.parameters())
    assert total / 1e6 == pytest.approx(millions, abs=0.005)
    assert [backbone.get_parameter(f"layer{n}.1.bn1.weight").numel() for n in range(1, 5)] == list(WIDTHS)


def test_forward__is_that_of_the_paper() -> None:
    torch.manual_seed(0)
    backbone = build_backbone("iresnet18").double()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    backbone(images)  # in training mode: other statistics than those at first
    for name, values in backbone.named_parameters():
        if values.ndim == 1:
            torch.nn.init.normal_(values, 1.0 if name.endswith("weight") else 0.0, 0.1)
    found = backbone.eval()(images)
    expected = recomputed(images, dict(backbone.state_dict()), PUBLISHED["iresnet18"][0])
    assert found.shape == (2, 512)
    torch.testing.assert_close(found, expected)


def test_stages__of_112_px_are_maps_of_7_px() -> None:
    backbone = build_backbone("iresnet18").eval()
    shapes = list[torch.Size]()
    backbone.get_submodule("bn2").register_forward_hook(lambda _module, _in, out: shapes.append(out.shape))
    backbone(torch.zeros(1, 3, 112, 112))
    assert shapes == [(1, 512, 7, 7)]


def test_load_backbone_weights__reads_a_file_of_insightface(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = build_backbone("iresnet18").state_dict()
    others = {"fc.weight": torch.zeros(512, 25088), "fc.bias": torch.zeros(512)}
    others |= {f"features.{name}": torch.ones(512) for name in STATISTICS[:4]}
    torch.save(source | others, f"{tmp_path}/backbone.pth")
    config = ModelConfig(backbone="iresnet18", weights=f"{tmp_path}/backbone.pth")
    loaded = build_backbone_from(config).state_dict()
    assert loaded.keys() == source.keys()
    assert all(torch.equal(loaded[name], source[name]) for name in source)
