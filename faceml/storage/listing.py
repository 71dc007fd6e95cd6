"""Listing of local folders and of folders in a store."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Literal, NamedTuple

import pyarrow.fs as pafs

from faceml.config import ConfigError

EntryKind = Literal["file", "folder", "link_to_folder"]


class StoredFile(NamedTuple):
    """A file found by listing a folder and its subfolders.

    Attributes:
        path: POSIX path below the folder.
        num_bytes: Size; 0 if unknown.
        modified_ns: Time of the last change in ns of the epoch; 0 if unknown.
    """

    path: str
    num_bytes: int
    modified_ns: int


class Entry(NamedTuple):
    """An entry of a folder.

    Attributes:
        name: Without the folder.
        kind: A link to a file counts as a file, and so does a broken link.
        num_bytes: Size; 0 if unknown.
        modified_ns: Time of the last change in ns of the epoch; 0 if unknown.
    """

    name: str
    kind: EntryKind
    num_bytes: int
    modified_ns: int


def local_entries(folder: str) -> Iterator[Entry]:
    """List a local folder, entry by entry.

    Raises:
        OSError: It cannot be listed.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            num_bytes = modified_ns = 0
            is_folder = entry.is_dir(follow_symlinks=False)
            with suppress(OSError):  # a broken link, or deleted since
                status = entry.stat()
                num_bytes, modified_ns = status.st_size, status.st_mtime_ns
                is_folder = is_folder or stat.S_ISDIR(status.st_mode)
            folder_kind: EntryKind = "link_to_folder" if entry.is_symlink() else "folder"
            yield Entry(entry.name, folder_kind if is_folder else "file", num_bytes, modified_ns)


def store_entries(filesystem: pafs.FileSystem, folder: str) -> Iterator[Entry]:
    """List a folder of a store; all entries are fetched before the first is yielded.

    Args:
        filesystem: The store.
        folder: The folder's path inside it, without a slash at the end.

    Raises:
        ConfigError: There are names with two slashes in a row, which pyarrow cannot open.
        OSError: The store refuses, or cannot be reached.
    """
    for info in filesystem.get_file_info(pafs.FileSelector(folder)):
        if info.path.rstrip("/") == folder:  # how pyarrow lists such a name; entering it would never end
            raise ConfigError(f"{folder}: has names with `//`, which cannot be read. Rename those objects.")
        kind: EntryKind = "folder" if info.type is pafs.FileType.Directory else "file"
        yield Entry(info.base_name, kind, info.size or 0, info.mtime_ns or 0)


def walk_files(
    list_folder: Callable[[str], Iterable[Entry]], local_root: str | None, follow_links: bool
) -> Iterator[StoredFile]:
    """List the files of a folder and its subfolders, folder by folder; see `StorageFolder.walk`.

    Args:
        list_folder: Lists a folder, given as a path below the root that ends in a slash or is empty.
        local_root: Path of the root; None if it is in a store, which has no links.
        follow_links: Enter symbolic links to folders.
    """
    folders, links, visited = [""], list[str](), set[str]()
    while folders or links:
        if not folders:
            links.sort(reverse=True)
            folders.append(links.pop())
        folder = folders.pop()
        if follow_links and local_root is not None:
            real = os.path.realpath(f"{local_root}/{folder}")
            if real in visited:
                continue
            visited.add(real)
        for entry in list_folder(folder):
            path = folder + entry.name
            if entry.kind == "folder":
                folders.append(f"{path}/")
            elif entry.kind == "file":
                listed = os.fsencode(path).decode("utf-8", errors="backslashreplace")
                # If another file has exactly the escaped name, only that file is listed.
                if listed == path or not (local_root and os.path.lexists(f"{local_root}/{listed}")):
                    yield StoredFile(listed, entry.num_bytes, entry.modified_ns)
            elif follow_links:
                links.append(f"{path}/")
