"""Files of tensors and plain values, such as weights and checkpoints, local or in a store."""

import io
from pathlib import Path
from typing import Any

import torch

from faceml.config import ConfigError
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import is_uri, split_place


def is_tensor_file(place: str | Path) -> bool:
    """Return whether a file exists at a path or URI.

    Raises:
        ConfigError: It is refused; names the reason.
        OSError: The store cannot be reached, after all attempts.
    """
    folder, name = split_place(place)
    return StorageFolder(folder).has(name)


def read_tensors(place: str | Path, device: torch.device | str = "cpu") -> Any:
    """Read a file written by `torch.save`; code in the file is not executed.

    Args:
        place: Path or URI.
        device: Device of the tensors.

    Raises:
        ConfigError: The file is missing in the store, or refused.
        OSError: The store cannot be reached, after all attempts.
    """
    if not is_uri(place):
        return torch.load(place, map_location=device, weights_only=True)
    folder, name = split_place(place)
    content = StorageFolder(folder).read(name)
    if not isinstance(content, bytes):
        raise ConfigError(f"{place}: there is no such file. Name one that is there.")
    return torch.load(io.BytesIO(content), map_location=device, weights_only=True)
