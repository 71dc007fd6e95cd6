"""Reading JSON files, wherever they are."""

import json
from typing import Any

from faceml.storage.folder import StorageFolder


def read_json(folder: StorageFolder, name: str) -> Any:
    """Return what a JSON file directly in a folder holds; None if there is no such file.

    Raises:
        ConfigError: The store refuses; says why.
        OSError: It cannot be reached, after all attempts.
    """
    content = folder.read(name) if folder.has(name) else None
    return json.loads(content) if isinstance(content, bytes) else None
