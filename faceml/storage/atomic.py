"""Files and folders written whole or not at all: a temporary name first, then a rename."""

import os
import secrets
import shutil
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from faceml.storage.stopped import StoppedByFullDisk

PARTIAL_SUFFIX = ".partial"
"""How the temporary names end; they begin with a dot."""


class AtomicPath:
    """Give a temporary path beside `path`; on a clean exit it replaces `path`, on an error it is removed.

    The bytes are on the disk before they get their name, which therefore never stands for an empty or half
    a file after a power cut.

    Raises:
        StoppedError: No space is left, there or within the block.

    Example:
        >>> with AtomicPath(folder / "summary.json") as partial:
        ...     partial.write_text("{}")
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = _partial_name(path)

    def __enter__(self) -> Path:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self._partial

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with StoppedByFullDisk(_lasting(self.path.parent)), ExitStack() as cleanup:
            cleanup.callback(self._partial.unlink, missing_ok=True)
            if error is not None:
                raise error
            with self._partial.open("rb") as file:
                os.fsync(file.fileno())
            self._partial.replace(self.path)


class AtomicFolder:
    """Give a new folder beside `path`; on a clean exit it takes the name `path`, on an error it is removed.

    What is written into it with `AtomicPath` is on the disk before.

    Args:
        path: A folder of that name is replaced.

    Raises:
        StoppedError: No space is left.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = _partial_name(path)

    def __enter__(self) -> Path:
        with StoppedByFullDisk(self.path.parent):
            self._partial.mkdir(parents=True)
        return self._partial

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with StoppedByFullDisk(self.path.parent), ExitStack() as cleanup:
            cleanup.callback(shutil.rmtree, self._partial, ignore_errors=True)
            if error is not None:
                raise error
            shutil.rmtree(self.path, ignore_errors=True)
            self._partial.replace(self.path)


def _partial_name(path: Path) -> Path:
    # Readers that glob for the suffix must not see the partial file, nor two writers each other's, who
    # may be processes of the same number on two machines.
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}{PARTIAL_SUFFIX}")


def _lasting(folder: Path) -> Path:
    """Return the folder, or the first one above whose name is not temporary."""
    return next(path for path in (folder, *folder.parents) if not path.name.endswith(PARTIAL_SUFFIX))


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all; parent folders are made."""
    with AtomicPath(path) as partial:
        partial.write_text(text, encoding="utf-8")
