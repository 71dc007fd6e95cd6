"""What is directly in a folder: of this machine, or of a store."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal, NamedTuple

import pyarrow.fs as pafs

from faceml.config import ConfigError

EntryKind = Literal["file", "folder", "link_to_folder"]


class Entry(NamedTuple):
    """One of the things in a folder.

    Attributes:
        name: Without the folder.
        kind: A link to a file counts as a file, and so does one that leads nowhere.
        num_bytes: Size; 0 if it could not be asked for.
        modified_ns: Time of the last change in ns of the epoch; 0 if it could not be asked for.
    """

    name: str
    kind: EntryKind
    num_bytes: int
    modified_ns: int


def local_entries(folder: str) -> Iterator[Entry]:
    """List a folder of this machine, entry by entry.

    Raises:
        OSError: It cannot be listed.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            num_bytes = modified_ns = 0
            is_folder = entry.is_dir(follow_symlinks=False)
            with suppress(OSError):  # it leads nowhere, or has vanished
                status = entry.stat()
                num_bytes, modified_ns = status.st_size, status.st_mtime_ns
                is_folder = is_folder or stat.S_ISDIR(status.st_mode)
            folder_kind: EntryKind = "link_to_folder" if entry.is_symlink() else "folder"
            yield Entry(entry.name, folder_kind if is_folder else "file", num_bytes, modified_ns)


def store_entries(filesystem: pafs.FileSystem, folder: str) -> Iterator[Entry]:
    """List a folder of a store; all of its entries are fetched before the first is given.

    Args:
        filesystem: The store.
        folder: The folder's path inside it, without a slash at the end.

    Raises:
        ConfigError: There are names with two slashes in a row, which pyarrow does not reach.
        OSError: The store refuses, or cannot be reached.
    """
    for info in filesystem.get_file_info(pafs.FileSelector(folder)):
        if info.path.rstrip("/") == folder:  # what is left of such a name; entering it would never end
            raise ConfigError(f"{folder}: has names with `//`, which cannot be read. Rename those objects.")
        kind: EntryKind = "folder" if info.type is pafs.FileType.Directory else "file"
        yield Entry(info.base_name, kind, info.size or 0, info.mtime_ns or 0)
