"""Folders of files wherever they are: on this machine, or in a store that pyarrow reaches, such as S3."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs as pafs

from faceml.storage.atomic import PARTIAL_SUFFIX, AtomicPath
from faceml.storage.listing import Entry, local_entries, store_entries
from faceml.storage.stores import RefusalAsConfigError, check_uri, is_refusal, open_store

ReadFailure = Literal["unreadable", "too_large"]

# No fault of the file that is being opened.
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class StoredFile(NamedTuple):
    """A file as a listing shows it.

    Attributes:
        path: POSIX path below the folder.
        num_bytes: Size; 0 if it could not be asked for.
        modified_ns: Time of the last change in ns of the epoch; 0 if it could not be asked for.
    """

    path: str
    num_bytes: int
    modified_ns: int


class StorageFolder:
    """A folder on any file system that pyarrow reaches. It pickles, and opens its store where it is used.

    Args:
        place: A local path, or a URI. `s3://bucket/folder` takes the parameters `endpoint_override`, `region`
            and `scheme`: `s3://bucket/folder?endpoint_override=localhost:9000&scheme=http`.

    Attributes:
        uri: The absolute local path, or the URI.
        is_local: Whether the operating system sees the folder.

    Raises:
        ConfigError: A URI that is not understood; says what is.
    """

    def __init__(self, place: str | Path) -> None:
        scheme, separator, rest = str(place).partition("://")
        self.is_local = not separator or scheme == "file"
        if self.is_local:
            self.uri = str(Path(unquote(rest) if separator else place).absolute())
        else:
            self.uri = str(place)
            check_uri(self.uri)
        self._open: tuple[int, pafs.FileSystem, str] | None = None

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.uri,)

    @property
    def filesystem(self) -> pafs.FileSystem:
        """File system of pyarrow that holds the folder."""
        return self._opened()[0]

    @property
    def path(self) -> str:
        """The folder's path inside `filesystem`."""
        return self._opened()[1]

    def read(
        self, path: str, max_bytes: int | None = None, follow_links: bool = False
    ) -> bytes | ReadFailure:
        """Read a file whose size has been checked; never waits for a pipe, never leaves the folder.

        Args:
            path: POSIX path below the folder.
            max_bytes: Larger files are not read; None reads all.
            follow_links: Read what a symbolic link outside of the folder leads to.

        Returns:
            The bytes, or `too_large`, or `unreadable`: not there (any more), not permitted, no regular file,
            or not below the folder.

        Raises:
            ConfigError: The store refuses not only this file, but the whole folder.
            OSError: The folder is gone, or out of reach after all attempts: not the file's fault.
        """
        if not _is_below(path):
            return "unreadable"
        with _Kept() as kept:
            if self.is_local:
                return self._read_local(path, max_bytes, follow_links)
            return self._read_remote(path, max_bytes)
        if kept.error is not None and not self._is_fault_of_file(path, kept.error):
            raise kept.error
        return "unreadable"

    def write(self, path: str, data: bytes | pa.Buffer) -> None:
        """Write a file whole or not at all, even if the process is killed; parent folders are made.

        Raises:
            ConfigError: It is refused; says why.
            OSError: The store cannot be reached, after all attempts.
        """
        place = self._place_of(path)
        with RefusalAsConfigError(f"{place}: cannot be written. Check that you may"):
            if self.is_local:
                with AtomicPath(Path(place)) as partial:
                    partial.write_bytes(data)
            else:  # stores show an object when its upload is complete
                with self.filesystem.open_output_stream(place) as stream:
                    stream.write(data)

    def delete(self, path: str) -> None:
        """Delete a file; one that is not there is fine.

        Raises:
            ConfigError: It is refused; says why.
            OSError: The store cannot be reached, after all attempts.
        """
        place = self._place_of(path)
        refusal = RefusalAsConfigError(f"{place}: cannot be deleted. Check that you may")
        with refusal, suppress(FileNotFoundError):
            self.filesystem.delete_file(place)

    def files(self, suffix: str = "") -> list[str]:
        """List the names directly in the folder that end in `suffix`, sorted, without hidden ones.

        A folder that is not there has none.
        """
        if not self.exists():
            return []
        return sorted(
            entry.name for entry in self._entries("") if entry.kind == "file" and entry.name.endswith(suffix)
        )

    def exists(self) -> bool:
        """Say whether the folder is there; a store knows of a folder once there is something in it.

        Raises:
            ConfigError: It is refused; says why.
            OSError: The store cannot be reached, after all attempts.
        """
        return self._type_of(self.path) is pafs.FileType.Directory

    def has(self, path: str) -> bool:
        """Say whether there is a file of that path below the folder.

        Raises:
            ConfigError: It is refused; says why.
            OSError: The store cannot be reached, after all attempts.
        """
        return self._type_of(self._place_of(path)) is pafs.FileType.File

    def walk(self, follow_links: bool = False) -> Iterator[StoredFile]:
        r"""List the files in the folder and below, folder by folder, in no particular order.

        Hidden files and folders are passed over. A link to a file is listed wherever it leads, since `read`
        decides. A name that is not UTF-8 is listed with its strange bytes as `\xNN`, which no file is called.

        Args:
            follow_links: Enter symbolic links to folders. Each folder is listed once: under its own name if
                it lies below this one, else under the first of the links' names.

        Raises:
            ConfigError: A folder cannot be listed.
            OSError: The store cannot be reached, after all attempts.
        """
        folders, links, visited = [""], list[str](), set[str]()
        while folders or links:
            if not folders:
                links.sort(reverse=True)
                folders.append(links.pop())
            folder = folders.pop()
            if follow_links and self.is_local:
                real = os.path.realpath(f"{self.path}/{folder}")
                if real in visited:
                    continue
                visited.add(real)
            for entry in self._entries(folder):
                path = folder + entry.name
                if entry.kind == "folder":
                    folders.append(f"{path}/")
                elif entry.kind == "file":
                    listed = os.fsencode(path).decode("utf-8", errors="backslashreplace")
                    # Should there be a file of just that name, it is listed as itself.
                    if listed == path or not os.path.lexists(f"{self.path}/{listed}"):
                        yield StoredFile(listed, entry.num_bytes, entry.modified_ns)
                elif follow_links:
                    links.append(f"{path}/")

    def sweep_partial(self) -> list[str]:
        """Delete what writers that were killed left directly in the folder, and return the names.

        Nobody may be writing to the folder. Stores have no such leftovers.
        """
        if not self.is_local:
            return []
        leftovers = sorted(Path(self.uri).glob(f".*{PARTIAL_SUFFIX}"))
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)
        return [leftover.name for leftover in leftovers]

    def _opened(self) -> tuple[pafs.FileSystem, str]:
        # A process that was forked must not talk over its parent's connections.
        if self._open is None or self._open[0] != os.getpid():
            opened = (pafs.LocalFileSystem(), self.uri) if self.is_local else open_store(self.uri)
            self._open = (os.getpid(), *opened)
        return self._open[1:]

    @cached_property
    def _real_path(self) -> str:
        return os.path.realpath(self.uri, strict=True)

    def _type_of(self, place: str) -> pafs.FileType:
        with RefusalAsConfigError(f"{place}: cannot be opened. Check your keys and permissions"):
            return self.filesystem.get_file_info(place).type

    def _place_of(self, path: str) -> str:
        if not _is_below(path):
            raise ValueError(f"{path!r} is not a path below {self.uri}.")
        return f"{self.path}/{path}"

    def _read_local(self, path: str, max_bytes: int | None, follow_links: bool) -> bytes | ReadFailure:
        real = os.path.realpath(f"{self.uri}/{path}", strict=True)
        if not follow_links and not real.startswith(self._real_path.rstrip("/") + "/"):
            return "unreadable"
        with open(real, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return "unreadable"
            if max_bytes is not None and status.st_size > max_bytes:
                return "too_large"
            return file.read(status.st_size)

    def _read_remote(self, path: str, max_bytes: int | None) -> bytes | ReadFailure:
        with self.filesystem.open_input_file(self._place_of(path)) as file:
            if max_bytes is not None and file.size() > max_bytes:
                return "too_large"
            return bytes(file.read())

    def _is_fault_of_file(self, path: str, error: OSError) -> bool:
        """Say whether reading failed because of the file, not because the whole folder is out of reach."""
        if self.is_local:
            return error.errno not in EXHAUSTED and self.exists()
        if is_refusal(error):
            return self.exists()  # asks the store, which refuses again if keys have expired
        # An object that goes between being opened and being read gives an error that says nothing.
        return not self.has(path)

    def _entries(self, folder: str) -> Iterator[Entry]:
        """List a folder, given as a path that ends in a slash or is empty, without hidden entries."""
        place = f"{self.path}/{folder}".rstrip("/") or "/"
        with RefusalAsConfigError(
            f"{place}: cannot be listed. Check that it is there and that you may read it",
            lambda error: isinstance(error, OSError) and (self.is_local or is_refusal(error)),
        ):
            for entry in local_entries(place) if self.is_local else store_entries(self.filesystem, place):
                if not entry.name.startswith("."):
                    yield entry


class _Kept:
    """End the block at an `OSError` and keep it."""

    def __init__(self) -> None:
        self.error: OSError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error if isinstance(error, OSError) else None
        return self.error is not None


def _is_below(path: str) -> bool:
    return "\0" not in path and {"", ".", ".."}.isdisjoint(path.split("/"))


def _open_without_waiting(path: str, flags: int) -> int:
    # Opening a pipe waits for its writer otherwise. Regular files do not know the flag.
    return os.open(path, flags | os.O_NONBLOCK)
