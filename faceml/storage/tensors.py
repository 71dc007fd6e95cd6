"""Files of tensors and plain values, such as weights and checkpoints, local or in a store."""

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceml.config import ConfigError
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import is_uri, split_place

if TYPE_CHECKING:
    import torch

SAFETENSORS_SUFFIX = ".safetensors"


def is_tensor_file(place: str | Path) -> bool:
    """Return whether a file exists at a path or URI.

    Raises:
        ConfigError: It is refused; names the reason.
        OSError: The store cannot be reached, after all attempts.
    """
    folder, name = split_place(place)
    return StorageFolder(folder).has(name)


def read_tensors(place: str | Path, device: "torch.device | str" = "cpu") -> Any:
    """Read a file of `torch.save` or safetensors; code in the file is not executed.

    Args:
        place: Path or URI.
        device: Device of the tensors.

    Raises:
        ConfigError: The file is missing in the store, or refused.
        OSError: The store cannot be reached, after all attempts.
    """
    import torch  # late: extraction imports this package, and has no use for PyTorch

    file = io.BytesIO(_read_object(place)) if is_uri(place) else Path(place)
    if split_place(place)[1].endswith(SAFETENSORS_SUFFIX):
        import safetensors.torch  # late: few weights have this format

        found = safetensors.torch.load(file.read() if isinstance(file, io.BytesIO) else file.read_bytes())
        return {name: tensor.to(device) for name, tensor in found.items()}
    # Programs save their arguments beside the weights, in this class of plain values.
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(file, map_location=device, weights_only=True)


def _read_object(uri: str | Path) -> bytes:
    folder, name = split_place(uri)
    content = StorageFolder(folder).read(name)
    if not isinstance(content, bytes):
        raise ConfigError(f"{uri}: there is no such file. Name one that is there.")
    return content
