"""ResNet backbones without classifier, and their initial weights."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

import torch
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights, ResNet50_Weights, resnet18, resnet50

from faceml.config import BackboneName, ConfigError, ModelConfig
from faceml.errors import translate_errors
from faceml.models.checkpoint_layouts import (
    backbone_state,
    nonfinite_values,
    resnet_prefixes,
    unwrap_state_dict,
)
from faceml.storage import is_tensor_file, read_tensors


class FaceModel(nn.Module):
    """Base of networks with a backbone.

    Attributes:
        backbone: From `build_backbone`.
    """

    backbone: nn.Module


ModelT = TypeVar("ModelT", bound=FaceModel)


@dataclass(frozen=True)
class _Architecture:
    construct: Callable[..., nn.Module]
    feature_dim: int
    imagenet: Any


# Pinned by name instead of `DEFAULT`, which changes with torchvision's versions.
_ARCHITECTURES: dict[BackboneName, _Architecture] = {
    "resnet18": _Architecture(resnet18, 512, ResNet18_Weights.IMAGENET1K_V1),
    "resnet50": _Architecture(resnet50, 2048, ResNet50_Weights.IMAGENET1K_V2),
}


def feature_dim(name: BackboneName) -> int:
    """Return the dimension of a backbone's pooled features."""
    return _ARCHITECTURES[name].feature_dim


def build_backbone(name: BackboneName, stem_stride: int = 2) -> nn.Module:
    """Build a randomly initialised ResNet (He et al. 2016) from images (B, 3, H, W) to features (B, D).

    Args:
        name: Architecture.
        stem_stride: Stride of the first convolution: 2 as in the paper, or 1 for small images.
    """
    backbone = _ARCHITECTURES[name].construct(weights=None)
    stem: Any = backbone.conv1
    stem.stride = (stem_stride, stem_stride)
    backbone.fc = nn.Identity()
    return backbone


def backbone_name(state: Mapping[str, Tensor]) -> BackboneName | None:
    """Identify the architecture of a state dict by names and shapes; None if unknown.

    Args:
        state: Tensors by their names in the backbone, such as `layer1.0.conv1.weight`.
    """
    with torch.device("meta"):  # no memory, no initialisation
        known = {name: _shapes(build_backbone(name).state_dict()) for name in get_args(BackboneName)}
    return next((name for name, shapes in known.items() if shapes == _shapes(state)), None)


def backbone_mismatch(backbone: nn.Module, state: Mapping[str, Tensor]) -> str | None:
    """Return why a state dict does not match a backbone; None if it does.

    Args:
        backbone: From `build_backbone`.
        state: Tensors by their names in the backbone.
    """
    found, expected = _shapes(state), _shapes(backbone.state_dict())
    if found == expected:
        return None
    theirs, ours = backbone_name(state), backbone_name(backbone.state_dict())
    return f"holds a {theirs}, model.backbone is {ours}" if theirs else _difference(found, expected)


def load_backbone_weights(backbone: nn.Module, weights: str) -> None:
    """Load the initial weights of a backbone.

    Args:
        backbone: From `build_backbone`.
        weights: `none` keeps the random initialisation; `imagenet` loads torchvision's weights from torch
            hub's cache or downloads them; otherwise path or URI of a file with a state dict, whose layout
            may be any of `faceml.models.checkpoint_layouts`.

    Raises:
        ConfigError: The file does not exist, cannot be read or downloaded, or does not match the backbone, or
            has values that are not finite.
    """
    if weights == "none":
        return
    if weights == "imagenet":
        name = backbone_name(backbone.state_dict())
        assert name is not None, "not a backbone from build_backbone"
        imagenet = _ARCHITECTURES[name].imagenet
        with _translate_unreadable(f"imagenet ({imagenet.url})"):
            checkpoint = imagenet.get_state_dict(
                progress=False, check_hash=True, weights_only=True, map_location="cpu"
            )
    else:
        if not is_tensor_file(weights):
            raise ConfigError(_complaint(weights, "there is no such file"))
        with _translate_unreadable(weights):
            checkpoint = read_tensors(weights)
        if not isinstance(checkpoint, Mapping):
            raise ConfigError(_complaint(weights, f"holds a {type(checkpoint).__name__}, not a state dict"))
    tensors = unwrap_state_dict(checkpoint)
    prefixes = resnet_prefixes(tensors) or [""]
    if len(prefixes) > 1:
        shown = ", ".join(f"{prefix}…" for prefix in prefixes)
        raise ConfigError(_complaint(weights, f"holds several ResNets ({shown}): save one of them alone"))
    state = backbone_state(tensors, prefixes[0])
    mismatch = backbone_mismatch(backbone, state) or nonfinite_values(state)
    if mismatch:
        found = f"its ResNet with the prefix {prefixes[0]} " if prefixes[0] else ""
        raise ConfigError(_complaint(weights, found + mismatch))
    backbone.load_state_dict(state)


def _translate_unreadable(source: str) -> translate_errors[Exception]:
    """Raise `ConfigError` in place of any error of reading or downloading weights."""

    def translate(error: Exception) -> ConfigError:
        code = re.search(r"Unsupported (?:global: GLOBAL|class) ([\w.]+)", str(error))
        if code:
            return ConfigError(
                _complaint(
                    source,
                    f"holds Python objects ({code[1]}), which could run code when loaded; save its state "
                    "dict alone: torch.save(model.state_dict(), FILE)",
                )
            )
        reason = " ".join(str(error).partition(". ")[0].split())  # torch.load adds a page of advice
        return ConfigError(_complaint(source, f"cannot be read ({type(error).__name__}: {reason})"))

    # The unpickler can raise any error for a file that is not a checkpoint.
    return translate_errors(Exception, translate)


def _complaint(source: str, reason: str) -> str:
    return (
        f"model.weights: {source}: {reason}. Choose none (random initialisation), imagenet (torchvision's "
        "download) or a file with a ResNet state dict, a path or URI."
    )


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    # Batch counters are absent in files older than PyTorch 0.4.1, and ResNets do not use them.
    return {key: value.shape for key, value in state.items() if not key.endswith("num_batches_tracked")}


def _difference(found: Mapping[str, torch.Size], expected: Mapping[str, torch.Size]) -> str:
    groups = {
        "lacks": [key for key in expected if key not in found],
        "has the unknown": [key for key in found if key not in expected],
        "has other shapes of": [key for key in expected if key in found and found[key] != expected[key]],
    }
    return ", ".join(f"{what} {_first(keys)}" for what, keys in groups.items() if keys)


def _first(keys: list[str], shown: int = 3) -> str:
    rest = f" and {len(keys) - shown} more" if len(keys) > shown else ""
    return ", ".join(keys[:shown]) + rest


def build_backbone_from(config: ModelConfig) -> nn.Module:
    """Build a backbone with its initial weights, downloading them if necessary.

    Raises:
        ConfigError: The initial weights cannot be loaded or do not match the backbone.
    """
    backbone = build_backbone(config.backbone, config.stem_stride)
    load_backbone_weights(backbone, str(config.weights))
    return backbone
