"""Upload of local files."""

from pathlib import Path

import pyarrow as pa

from faceml.storage.folder import StorageFolder


def put_file(file: Path, folder: StorageFolder, path: str) -> None:
    """Write a file of this machine into a folder, without holding its content in memory.

    Args:
        file: Local file.
        folder: Folder to write into.
        path: POSIX path below `folder`.

    Raises:
        ConfigError: The store refuses access.
        OSError: The store cannot be reached.
    """
    with pa.memory_map(str(file)) as content:
        folder.write(path, content.read_buffer())
