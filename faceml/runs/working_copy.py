"""The run folder that a driver works in, where the folder itself may lie in a store.

The store has the last word: it is fetched before anything is done, and gets every file as soon as it is
worth keeping. What an interrupted driver left on its machine is never looked at again.
"""

import hashlib
import shutil
from pathlib import Path

import pyarrow as pa

from faceml.runs.files import REPORT_FILE
from faceml.storage import StorageFolder, split_place, translate_outage, user_cache


class WorkingCopy:
    """Keep the files that are directly in a run folder alike here and in its store.

    Folders in it, such as that of the checkpoints, are of whoever writes them.

    Args:
        place: Of the run folder, a path or URI.
        path: Where a copy is kept of one in a store; by default in the user's cache.

    Attributes:
        folder: Wherever it is.
        path: On this machine: the run folder itself, or the copy of one in a store.

    Raises:
        ConfigError: A URI that is not understood; says what is.
    """

    def __init__(self, place: str | Path, path: Path | None = None) -> None:
        self.folder = StorageFolder(place)
        uri = self.folder.uri
        self.path = Path(uri) if self.folder.is_local else path or _path_of_copy(uri)
        self._in_store = dict[str, tuple[int, int]]()

    def fetch(self) -> None:
        """Make the copy what the store has; do nothing if the run folder is on this machine.

        Raises:
            ConfigError: The store refuses; says why.
            StoppedError: It cannot be reached.
        """
        if self.folder.is_local:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        with translate_outage(self.folder.uri):
            for name in self.folder.files():
                content = self.folder.read(name)
                if isinstance(content, bytes):
                    (self.path / name).write_bytes(content)
                    self._in_store[name] = _version(self.path / name)

    def push(self) -> None:
        """Write into the store what has changed here since; what says that a run is finished comes last.

        Raises:
            ConfigError: The store refuses; says why.
            StoppedError: It cannot be reached.
        """
        if self.folder.is_local:
            return
        files = sorted(self.path.glob("[!.]*"), key=lambda file: (file.name == REPORT_FILE, file.name))
        with translate_outage(self.folder.uri):
            for file in filter(Path.is_file, files):
                version = _version(file)
                if self._in_store.get(file.name) != version:
                    put_file(file, self.folder, file.name)
                    self._in_store[file.name] = version

    def remove(self, name: str) -> None:
        """Remove a file, here and in the store; one that is not there is fine.

        Raises:
            ConfigError: The store refuses; says why.
            StoppedError: It cannot be reached.
        """
        (self.path / name).unlink(missing_ok=True)
        if self._in_store.pop(name, None) is not None:
            with translate_outage(self.folder.uri):
                self.folder.delete(name)


def put_file(file: Path, folder: StorageFolder, path: str) -> None:
    """Write a file of this machine into a folder, without holding its content in memory.

    Args:
        file: On this machine.
        folder: Wherever it is.
        path: Below the folder.

    Raises:
        ConfigError: It is refused; says why.
        OSError: The store cannot be reached, after all attempts.
    """
    with pa.memory_map(str(file)) as content:
        folder.write(path, content.read_buffer())


def _path_of_copy(uri: str) -> Path:
    # The URI's digest is unique, its last part tells a person what is in there.
    return user_cache() / "runs" / hashlib.sha256(uri.encode()).hexdigest()[:12] / split_place(uri)[1]


def _version(file: Path) -> tuple[int, int]:
    """Return what is another as soon as a file is written again."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns
