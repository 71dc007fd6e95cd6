"""Backbones by name: networks from images to pooled features, without classifier."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TypeVar

import torch
from torch import nn

from faceml.config import TIMM, ConfigError, load_architecture
from faceml.errors import flatten_message, translate_errors
from faceml.models.architecture import Architecture
from faceml.models.full_memory import is_full_memory
from faceml.models.iresnet import BLOCKS, ImprovedResNet
from faceml.models.resnet import ResNet

IMAGE_SIZE_PX = 112
"""Default of `data.image_size`."""
BUILT_IN: dict[str, type[Architecture]] = {
    "resnet18": ResNet,
    "resnet50": ResNet,
    **dict.fromkeys(BLOCKS, ImprovedResNet),
}


class FaceModel(nn.Module):
    """Base of networks with a backbone.

    Attributes:
        backbone: From `build_backbone`.
    """

    backbone: nn.Module


ModelT = TypeVar("ModelT", bound=FaceModel)


def find_architecture(name: str) -> Architecture:
    """Return the architecture of a name that `model.backbone` accepts.

    Raises:
        ConfigError: timm has no network of this name.
    """
    if name.startswith(TIMM):
        from faceml.models.timm_network import TimmNetwork  # it imports timm, which is an extra

        return TimmNetwork(name)
    found: type[Architecture] = BUILT_IN[name] if name in BUILT_IN else load_architecture(name)
    return found(name)


def feature_dim(name: str, backbone: nn.Module) -> int:
    """Return the dimension of a backbone's pooled features."""
    return find_architecture(name).feature_dim(backbone)


def build_backbone(name: str, stem_stride: int = 2, image_size: int = IMAGE_SIZE_PX) -> nn.Module:
    """Build a randomly initialised backbone from images (B, 3, S, S) to features (B, D).

    Args:
        name: Architecture.
        stem_stride: 2 as published, or 1 for a first convolution of stride 1, for small images.
        image_size: S, px, for networks whose weights depend on it.

    Raises:
        ConfigError: The architecture is unknown, is not for this image size, or has no such stride.
    """
    architecture = find_architecture(name)
    backbone = architecture.build(image_size)
    if stem_stride == 1:
        stem = architecture.stem(backbone)
        if stem is None:
            raise ConfigError(
                f"model.stem_stride = 1: {name} has no first convolution of stride 2. Set it to 2, which "
                "leaves the network as it is published."
            )
        stem.stride = (1, 1)
    return backbone


def backbone_stages(name: str, backbone: nn.Module, layer_decay: float) -> Mapping[str, Sequence[str]]:
    """Return the names of the parameters of each stage, from the input on.

    Networks without stages have a single one.

    Args:
        name: Architecture.
        backbone: From `build_backbone`.
        layer_decay: `optimizer.layer_decay`.

    Raises:
        ConfigError: The learning rate decays over the stages, and the architecture has none, or its stages
            have not every parameter once.
    """
    stages = find_architecture(name).stages(backbone)
    names = [parameter for parameter, _ in backbone.named_parameters()]
    surplus = Counter(chain.from_iterable(stages.values()))
    surplus.subtract(names)
    wrong = [parameter for parameter, count in surplus.items() if count]
    if stages and wrong:
        raise ConfigError(
            f"model.backbone = {name!r}: {wrong[0]} is not in exactly one of its stages. Correct `stages` in "
            "the package of the backbone."
        )
    if not stages and layer_decay < 1:
        raise ConfigError(
            f"optimizer.layer_decay = {layer_decay:g}: {name} has no stages with learning rates of their "
            "own. Set it to 1, or choose a backbone with stages."
        )
    return stages or {"all": names}


def refuse_unfit_images(name: str, backbone: nn.Module, image_size: int) -> None:
    """Run a backbone once, to check that it maps images of a size to pooled features.

    Raises:
        ConfigError: It fails, or its features have another shape.
    """

    def translate(error: Exception) -> ConfigError | None:
        if is_full_memory(error):
            return None
        reason = f"{type(error).__name__}: {flatten_message(error)}".removesuffix(": ")
        return ConfigError(
            f"data.image_size = {image_size}: {name} cannot process images of this size ({reason}). Choose "
            "another size, such as one that the network is published for, or another model.backbone."
        )

    images = torch.zeros(1, 3, image_size, image_size)
    with torch.no_grad(), translate_errors(Exception, translate):  # networks raise errors of any type
        features = backbone.eval()(images)
    backbone.train()
    expected = (1, feature_dim(name, backbone))
    if tuple(features.shape) != expected:
        raise ConfigError(
            f"model.backbone = {name!r}: returns features of shape {tuple(features.shape)} instead of "
            f"{expected} for an image, and cannot be used. Choose a network with pooled features."
        )
