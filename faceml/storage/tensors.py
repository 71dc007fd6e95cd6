"""Reading files of tensors and plain values, such as weights and checkpoints, wherever they are."""

import io
from pathlib import Path
from typing import Any

import torch

from faceml.config import ConfigError
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import is_uri, split_place


def is_tensor_file(place: str | Path) -> bool:
    """Say whether there is a file at a path or URI.

    Raises:
        ConfigError: It is refused; says why.
        OSError: The store cannot be reached, after all attempts.
    """
    folder, name = split_place(place)
    return StorageFolder(folder).has(name)


def read_tensors(place: str | Path, device: torch.device | str = "cpu") -> Any:
    """Read what `torch.save` wrote; nothing in the file is executed.

    Args:
        place: A path or URI.
        device: Where the tensors go.

    Raises:
        ConfigError: There is no such file in the store, or it is refused.
        OSError: The store cannot be reached, after all attempts.
    """
    if not is_uri(place):
        return torch.load(place, map_location=device, weights_only=True)
    folder, name = split_place(place)
    content = StorageFolder(folder).read(name)
    if not isinstance(content, bytes):
        raise ConfigError(f"{place}: there is no such file. Name one that is there.")
    return torch.load(io.BytesIO(content), map_location=device, weights_only=True)
