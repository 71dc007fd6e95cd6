"""Initial weights of backbones, from published weights and from files."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from faceml.config import ConfigError, ModelConfig
from faceml.errors import translate_errors
from faceml.models.architecture import Architecture
from faceml.models.backbone import BUILT_IN, IMAGE_SIZE_PX, build_backbone, find_architecture
from faceml.models.checkpoint_layouts import (
    backbone_prefixes,
    backbone_state,
    nonfinite_values,
    unwrap_state_dict,
)
from faceml.models.full_memory import is_full_memory
from faceml.storage import is_tensor_file, read_tensors


def load_backbone_weights(backbone: nn.Module, name: str, weights: str) -> None:
    """Load the initial weights of a backbone.

    Args:
        backbone: From `build_backbone`.
        name: Its architecture.
        weights: `none` keeps the random initialisation; `imagenet` loads the architecture's published
            weights from a cache or downloads them; otherwise path or URI of a file with a state dict, whose
            layout may be any of `faceml.models.checkpoint_layouts`.

    Raises:
        ConfigError: The file does not exist, cannot be read or downloaded, or does not match the backbone, or
            has values that are not finite.
    """
    if weights == "none":
        return
    architecture = find_architecture(name)
    checkpoint = _read_imagenet(architecture) if weights == "imagenet" else _read_file(weights)
    tensors = unwrap_state_dict(checkpoint)
    expected = backbone.state_dict()
    prefixes = backbone_prefixes(tensors, expected)
    if len(prefixes) > 1:
        shown = ", ".join(f"{prefix}…" for prefix in prefixes)
        raise ConfigError(
            _complaint(weights, f"holds several such networks ({shown}): save one of them alone")
        )
    state: Mapping[str, Tensor] = backbone_state(tensors, prefixes[0], architecture.classifier)
    if any(key in state and state[key].shape != values.shape for key, values in expected.items()):
        with _translate_unreadable(weights):
            state = architecture.fit(state, backbone)
    mismatch = backbone_mismatch(name, backbone, state) or nonfinite_values(state)
    if mismatch:
        found = f"its network with the prefix {prefixes[0]} " if prefixes[0] else ""
        raise ConfigError(_complaint(weights, found + mismatch))
    backbone.load_state_dict(state)


def build_backbone_from(config: ModelConfig, image_size: int = IMAGE_SIZE_PX) -> nn.Module:
    """Build a backbone with its initial weights, downloading them if necessary.

    Args:
        config: Backbone and initial weights.
        image_size: S, px, for networks whose weights depend on it.

    Raises:
        ConfigError: The backbone cannot be built, or the initial weights cannot be loaded or do not match it.
    """
    backbone = build_backbone(config.backbone, config.stem_stride, image_size)
    load_backbone_weights(backbone, config.backbone, str(config.weights))
    return backbone


def _read_imagenet(architecture: Architecture) -> Mapping[str, Any]:
    source = architecture.imagenet_source
    if source is None:
        raise ConfigError(_complaint("imagenet", f"there are no such weights of {architecture.name}"))
    with _translate_unreadable(f"imagenet ({source})"):
        return architecture.read_imagenet()


def _read_file(weights: str) -> Mapping[str, Any]:
    if not is_tensor_file(weights):
        raise ConfigError(_complaint(weights, "there is no such file"))
    with _translate_unreadable(weights):
        checkpoint = read_tensors(weights)
    if not isinstance(checkpoint, Mapping):
        raise ConfigError(_complaint(weights, f"holds a {type(checkpoint).__name__}, not a state dict"))
    return checkpoint


def backbone_name(state: Mapping[str, Tensor]) -> str | None:
    """Identify a built-in architecture by names and shapes of a state dict; None if it is another.

    Args:
        state: Tensors by their names in the backbone, such as `layer1.0.conv1.weight`.
    """
    with torch.device("meta"):  # no memory, no initialisation
        known = {name: _shapes(build_backbone(name).state_dict()) for name in BUILT_IN}
    return next((name for name, shapes in known.items() if shapes == _shapes(state)), None)


def backbone_mismatch(name: str, backbone: nn.Module, state: Mapping[str, Tensor]) -> str | None:
    """Return why a state dict does not match a backbone; None if it does.

    Args:
        name: Architecture of the backbone.
        backbone: From `build_backbone`.
        state: Tensors by their names in the backbone.
    """
    found, expected = _shapes(state), _shapes(backbone.state_dict())
    if found == expected:
        return None
    theirs = backbone_name(state)
    return f"holds a {theirs}, model.backbone is {name}" if theirs else _difference(found, expected)


def _translate_unreadable(source: str) -> translate_errors[Exception]:
    """Raise `ConfigError` in place of any error of reading or downloading weights."""

    def translate(error: Exception) -> ConfigError | None:
        if is_full_memory(error):
            return None
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
        f"model.weights: {source}: {reason}. Choose none (random initialisation), imagenet (the download of "
        "torchvision or timm) or a file with a state dict of the backbone, a path or URI."
    )


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    # Batch counters are absent in files older than PyTorch 0.4.1, and backbones do not use them.
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
