"""Layouts of checkpoints: names under which training programs keep the tensors of a ResNet."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

WRAPPERS = (
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "model_state_dict",
    "state_dict",
    "model",
)
"""Keys of a state dict beside a program's other values. Moving averages, which are what programs evaluate,
come first, as in `timm.models.load_state_dict`."""
ANCHOR = "layer1.0.conv1.weight"
"""Tensor of every ResNet. Before its name are those of wrapping modules, such as `backbone.` in this project,
`module.` of DistributedDataParallel, `_orig_mod.` of torch.compile and `model.` of Lightning."""
CLASSIFIER = "fc."


def unwrap_state_dict(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a state dict, or of a checkpoint that has one under a key of `WRAPPERS`."""
    while (wrapper := _wrapper(checkpoint)) is not None:
        checkpoint = checkpoint[wrapper]
    return {str(name): value for name, value in checkpoint.items() if isinstance(value, Tensor)}


def resnet_prefixes(state: Mapping[str, Tensor]) -> list[str]:
    """Return the prefix of each ResNet among the tensors, empty for one without wrapping modules."""
    prefixes = [name.removesuffix(ANCHOR) for name in state if name.endswith(ANCHOR)]
    return [prefix for prefix in prefixes if not prefix or prefix.endswith(".")]


def backbone_state(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors with a prefix by their names in the backbone, without those of the classifier."""
    inner = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    return {name: value for name, value in inner.items() if not name.startswith(CLASSIFIER)}


def nonfinite_values(state: Mapping[str, Tensor]) -> str | None:
    """Return in words which tensors have values that are not finite; None if there are none."""
    names = [name for name, value in state.items() if not value.isfinite().all()]
    more = f" and {len(names) - 1} more tensors" if len(names) > 1 else ""
    return f"has NaN or infinite values in {names[0]}{more}: its training diverged" if names else None


def _wrapper(checkpoint: Mapping[str, Any]) -> str | None:
    return next((name for name in WRAPPERS if isinstance(checkpoint.get(name), Mapping)), None)
