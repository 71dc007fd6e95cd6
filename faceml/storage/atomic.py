"""Atomic writing of files and folders: under a temporary name first, then renamed."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from faceml.config import ConfigError
from faceml.storage.errors import translate_full_disk, translate_unwritable

PARTIAL_SUFFIX = ".partial"
"""Ending of the temporary names, which begin with a dot."""
MAX_STEM = 40
"""Most characters of a file's name in its temporary name, of up to 4 bytes each."""


@contextmanager
def atomic_file(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `path`; on a clean exit it replaces `path`, on an error it is removed.

    Args:
        path: The file.
        sync: Sync the bytes to the disk before the rename: after a power failure, `path` is either the old
            or the complete new file. Without it, writing many small files is 8 times as fast.

    Raises:
        ConfigError: `path` is a folder, or its folder cannot be made or written to.
        StoppedError: No space is left, there or within the block.

    Example:
        >>> with atomic_file(folder / "summary.json") as partial:
        ...     partial.write_text("{}")
    """
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder. Choose another name for the file.")
    partial = _partial_path(path)
    with translate_full_disk(_permanent(path.parent)), ExitStack() as cleanup:
        make_folder(path.parent)
        cleanup.callback(partial.unlink, missing_ok=True)
        yield partial
        if sync:
            with partial.open("rb") as file:
                os.fsync(file.fileno())
        partial.replace(path)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a new folder beside `path`; on a clean exit it replaces `path`, on an error it is removed.

    Only files that the block writes with `atomic_file` are synced to the disk before the rename.

    Raises:
        ConfigError: The folder beside it cannot be made or written to.
        StoppedError: No space is left.
    """
    partial = _partial_path(path)
    with translate_full_disk(path.parent), ExitStack() as cleanup:
        make_folder(path.parent)
        partial.mkdir()
        cleanup.callback(shutil.rmtree, partial, ignore_errors=True)
        yield partial
        shutil.rmtree(path, ignore_errors=True)
        partial.replace(path)


def make_folder(folder: Path) -> None:
    """Create a folder with its parents, and check that files can be written there; an existing one stays.

    Raises:
        ConfigError: It cannot be made or written to.
    """
    with translate_unwritable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    refuse_unwritable(folder)


def refuse_unwritable(folder: Path) -> None:
    """Refuse a folder that cannot be written to or, if it does not exist, cannot be made; write nothing.

    Raises:
        ConfigError: It cannot; names the reason.
    """
    with translate_unwritable(folder):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{there} is a file")
        if not os.access(there, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(errno.EACCES, f"no permission for {there}, or its file system is read-only")


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path` atomically, and create missing parent folders."""
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _partial_path(path: Path) -> Path:
    # Readers that glob for the suffix must not match the partial file. The token keeps writers of the same
    # file apart; process numbers would not do so on two machines. File systems allow names of 255 bytes.
    return path.with_name(f".{path.name[:MAX_STEM]}.{secrets.token_hex(8)}{PARTIAL_SUFFIX}")


def _permanent(folder: Path) -> Path:
    """Return the folder, or its first parent without a temporary name."""
    return next(path for path in (folder, *folder.parents) if not path.name.endswith(PARTIAL_SUFFIX))
