"""Layouts of checkpoints: names under which training programs keep the tensors of a backbone."""

import re
from collections import Counter
from collections.abc import Collection, Mapping
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


def unwrap_state_dict(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a state dict, or of a checkpoint that has one under a key of `WRAPPERS`."""
    while (wrapper := _wrapper(checkpoint)) is not None:
        checkpoint = checkpoint[wrapper]
    return {str(name): value for name, value in checkpoint.items() if isinstance(value, Tensor)}


def backbone_prefixes(state: Mapping[str, Tensor], names: Collection[str]) -> list[str]:
    """Return the prefixes with which more than half of a backbone's names are among the tensors.

    Prefixes are those of wrapping modules, such as `backbone.` in this project, `module.` of
    DistributedDataParallel, `_orig_mod.` of torch.compile and `model.` of Lightning. Several are equally good
    if the tensors hold several such networks; an empty one stands for none.

    Args:
        state: Tensors by name.
        names: Names of the tensors in the backbone, without prefix.
    """
    counts = Counter(
        name[:start]
        for name in state
        for start in (0, *(dot.end() for dot in re.finditer(r"\.", name)))
        if name[start:] in names
    )
    most = max([len(names) // 2 + 1, *counts.values()])
    return [prefix for prefix, count in counts.items() if count == most] or [""]


def backbone_state(
    state: Mapping[str, Tensor], prefix: str, classifier: tuple[str, ...]
) -> dict[str, Tensor]:
    """Return the tensors with a prefix by their names in the backbone, without those of the classifier."""
    inner = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    return {name: value for name, value in inner.items() if not name.startswith(classifier)}


def nonfinite_values(state: Mapping[str, Tensor]) -> str | None:
    """Return in words which tensors have values that are not finite; None if there are none."""
    names = [name for name, value in state.items() if not value.isfinite().all()]
    more = f" and {len(names) - 1} more tensors" if len(names) > 1 else ""
    return f"has NaN or infinite values in {names[0]}{more}: its training diverged" if names else None


def _wrapper(checkpoint: Mapping[str, Any]) -> str | None:
    return next((name for name in WRAPPERS if isinstance(checkpoint.get(name), Mapping)), None)
