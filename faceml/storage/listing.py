"""Listing of local folders and of folders in a store."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from itertools import chain, islice
from typing import Literal, NamedTuple

import pyarrow.fs as pafs

from faceml.config import ConfigError

ENTRIES_AT_ONCE = 500
FOLDERS_AT_ONCE = 16
"""Number of entries, and of small folders, that a thread lists before it returns them."""

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
    list_folder: Callable[[str], Iterable[Entry]],
    local_root: str | None,
    follow_links: bool,
    threads: int,
    skipped: list[str] | None = None,
) -> Iterator[StoredFile]:
    """List the files of a folder and its subfolders, several at the same time; see `StorageFolder.walk`.

    Args:
        list_folder: Lists a folder, given as a path below the root that ends in a slash or is empty. Called
            in threads.
        local_root: Path of the root; None if it is in a store, which has no links.
        follow_links: Enter symbolic links to folders.
        threads: Number of folders that are listed at the same time.
        skipped: Gets the links to folders that are not entered, paths below the root.
    """
    links = [] if skipped is None else skipped
    return chain.from_iterable(_walk(list_folder, local_root, follow_links, threads, links))


class _Chunk(NamedTuple):
    """Some entries of folders, and the iterator of the entries after them, None at their end."""

    files: list[StoredFile]
    folders: list[str]
    links: list[str]
    rest: Iterator[tuple[str, Entry]] | None


def _walk(
    list_folder: Callable[[str], Iterable[Entry]],
    local_root: str | None,
    follow_links: bool,
    threads: int,
    skipped: list[str],
) -> Iterator[list[StoredFile]]:
    folders, links, visited = [""], list[str](), set[str]()
    reading = set[Future[_Chunk]]()
    with ExitStack() as cleanup:
        pool = ThreadPoolExecutor(threads)
        cleanup.callback(pool.shutdown, cancel_futures=True)
        while folders or links or reading:
            if not (folders or reading):
                links.sort(reverse=True)
                folders.append(links.pop())
            while folders and len(reading) < threads:
                together = max(1, min(FOLDERS_AT_ONCE, len(folders) // threads))
                batch, folders = folders[-together:], folders[:-together]
                if follow_links and local_root is not None:
                    batch = [folder for folder in batch if _is_first_visit(f"{local_root}/{folder}", visited)]
                reading.add(pool.submit(_read_chunk, _entries_of(batch, list_folder), local_root))
            done, reading = wait(reading, return_when=FIRST_COMPLETED)
            for future in done:
                chunk = future.result()
                folders += chunk.folders
                (links if follow_links else skipped).extend(chunk.links)
                if chunk.rest is not None:
                    reading.add(pool.submit(_read_chunk, chunk.rest, local_root))
                yield chunk.files


def _is_first_visit(folder: str, visited: set[str]) -> bool:
    """Return whether a folder has not been visited under any path, and record the visit."""
    real, number = os.path.realpath(folder), len(visited)
    visited.add(real)
    return len(visited) > number


def _entries_of(
    folders: Sequence[str], list_folder: Callable[[str], Iterable[Entry]]
) -> Iterator[tuple[str, Entry]]:
    for folder in folders:
        for entry in list_folder(folder):
            yield folder, entry


def _read_chunk(entries: Iterator[tuple[str, Entry]], local_root: str | None) -> _Chunk:
    """Read some entries, few enough that memory stays small for a folder of millions."""
    files, folders, links = list[StoredFile](), list[str](), list[str]()
    read = 0
    for folder, (name, kind, num_bytes, modified_ns) in islice(entries, ENTRIES_AT_ONCE):
        read += 1
        path = folder + name
        if kind == "file":
            if path.isascii():
                files.append(StoredFile(path, num_bytes, modified_ns))
                continue
            listed = os.fsencode(path).decode("utf-8", errors="backslashreplace")
            # If another file has exactly the escaped name, only that file is listed.
            if listed == path or not (local_root and os.path.lexists(f"{local_root}/{listed}")):
                files.append(StoredFile(listed, num_bytes, modified_ns))
        else:
            (folders if kind == "folder" else links).append(f"{path}/")
    return _Chunk(files, folders, links, entries if read == ENTRIES_AT_ONCE else None)
