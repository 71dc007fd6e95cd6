"""Upload of local files."""

import shutil
from pathlib import Path

import pyarrow as pa

from faceml.storage.atomic import atomic_file
from faceml.storage.folder import StorageFolder
from faceml.storage.stores import translate_refusal


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
    if folder.is_local:
        place = Path(folder.path, path)
        refusal = translate_refusal(f"{place}: cannot be written. Check your permissions")
        with refusal, atomic_file(place) as partial:
            shutil.copyfile(file, partial)
    else:  # in one call: a stream that is closed after a part would leave that part as the object
        with pa.memory_map(str(file)) as content:
            folder.write(path, content.read_buffer())
