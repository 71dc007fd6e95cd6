"""Folders of files, local or in a store that pyarrow reaches, such as S3."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs as pafs

from faceml.errors import catch_errors
from faceml.storage.atomic import PARTIAL_SUFFIX, atomic_file
from faceml.storage.concurrency import LOCAL_THREADS, STORE_THREADS
from faceml.storage.listing import Entry, StoredFile, local_entries, store_entries, walk_files
from faceml.storage.locations import leads_below
from faceml.storage.stores import INHERITED, OUTAGES, check_uri, is_refusal, open_store, translate_refusal

ReadFailure = Literal["unreadable", "too_large"]


class StorageFolder:
    """A folder on any file system that pyarrow reaches.

    It can be pickled; each process opens its own connection to the store.

    Args:
        place: A local path, or a URI. `s3://bucket/folder` takes the parameters `endpoint_override`, `region`
            and `scheme`: `s3://bucket/folder?endpoint_override=localhost:9000&scheme=http`.

    Attributes:
        uri: The absolute local path, or the URI.
        is_local: Whether the folder is on a file system of the operating system.

    Raises:
        ConfigError: An invalid URI; names what is allowed.
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
    def threads(self) -> int:
        """Number of concurrent requests."""
        return LOCAL_THREADS if self.is_local else STORE_THREADS

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
        """Read a regular file below the folder, after a check of its size.

        Args:
            path: POSIX path below the folder.
            max_bytes: Larger files are not read; None reads all.
            follow_links: Read also files outside of the folder that symbolic links lead to.

        Returns:
            The bytes, or `too_large`, or `unreadable`: missing, not permitted, not a regular file, or not
            below the folder.

        Raises:
            ConfigError: The store refuses the whole folder, not only this file.
            OSError: The folder is missing, or cannot be reached after all attempts.
        """
        if not leads_below(path):
            return "unreadable"
        with catch_errors(OSError) as caught:
            if self.is_local:
                return self._read_local(path, max_bytes, follow_links)
            return self._read_remote(path, max_bytes)
        if caught.error is not None and not self._is_fault_of_file(path, caught.error):
            raise caught.error
        return "unreadable"

    def write(self, path: str, data: bytes | pa.Buffer) -> None:
        """Write a file atomically, and create missing parent folders.

        Raises:
            ConfigError: It is refused; names the reason.
            OSError: The store cannot be reached, after all attempts.
        """
        place = self._place_of(path)
        with translate_refusal(f"{place}: cannot be written. Check your permissions"):
            if self.is_local:
                with atomic_file(Path(place)) as partial:
                    partial.write_bytes(data)
            else:  # an object appears in a store once its upload is complete
                with self.filesystem.open_output_stream(place) as stream:
                    stream.write(data)

    def delete(self, path: str) -> None:
        """Delete a file if it exists.

        Raises:
            ConfigError: It is refused; names the reason.
            OSError: The store cannot be reached, after all attempts.
        """
        place = self._place_of(path)
        refusal = translate_refusal(f"{place}: cannot be deleted. Check your permissions")
        with refusal, suppress(FileNotFoundError):
            self.filesystem.delete_file(place)

    def remove(self) -> None:
        """Delete the folder with all its contents, if it exists.

        Raises:
            ConfigError: The store refuses; names the reason.
            OSError: The store cannot be reached, after all attempts.
        """
        if self.is_local:
            shutil.rmtree(self.uri, ignore_errors=True)
        elif self.exists():
            with translate_refusal(f"{self.uri}: cannot be removed. Check your permissions"):
                self.filesystem.delete_dir(self.path)

    def read_json(self, path: str) -> Any:
        """Return the content of a JSON file below the folder, None if it does not exist.

        Raises:
            ConfigError: It is refused; names the reason.
            OSError: The store cannot be reached, after all attempts.
        """
        content = self.read(path) if self.has(path) else None
        return json.loads(content) if isinstance(content, bytes) else None

    def files(self, suffix: str = "") -> list[str]:
        """List the names of the files directly in the folder that end in `suffix`, sorted.

        Hidden files are left out. A missing folder has no files.
        """
        return [file.path for file in self.listed_files(suffix)]

    def listed_files(self, suffix: str = "") -> list[StoredFile]:
        """List the files directly in the folder that end in `suffix`, sorted by name; see `files`."""
        if not self.exists():
            return []
        return sorted(
            StoredFile(entry.name, entry.num_bytes, entry.modified_ns)
            for entry in self._entries("")
            if entry.kind == "file" and entry.name.endswith(suffix)
        )

    def folders(self) -> list[str]:
        """List the names of the folders directly in the folder, sorted.

        Hidden folders are left out. A missing folder has no folders.

        Raises:
            ConfigError: It cannot be listed; names the reason.
            OSError: The store cannot be reached, after all attempts.
        """
        with translate_refusal(f"{self.uri}: cannot be listed. Check your permissions"):
            found = self.filesystem.get_file_info(pafs.FileSelector(self.path, allow_not_found=True))
        names = [entry.base_name for entry in found if entry.type is pafs.FileType.Directory]
        return sorted(name for name in names if not name.startswith("."))

    def exists(self) -> bool:
        """Return whether the folder exists; in a store, only folders with contents do.

        Raises:
            ConfigError: It is refused; names the reason.
            OSError: The store cannot be reached, after all attempts.
        """
        return self._type_of(self.path) is pafs.FileType.Directory

    def has(self, path: str) -> bool:
        """Return whether a file exists below the folder.

        Raises:
            ConfigError: It is refused; names the reason.
            OSError: The store cannot be reached, after all attempts.
        """
        return self._type_of(self._place_of(path)) is pafs.FileType.File

    def walk(
        self, follow_links: bool = False, *, hidden: bool = False, skipped: list[str] | None = None
    ) -> Iterator[StoredFile]:
        r"""List the files in the folder and its subfolders, several at the same time, in no particular order.

        Links to files are listed wherever they lead; `read` checks that. In a name that is not UTF-8,
        invalid bytes are listed as `\xNN`; `read` cannot open such a file.

        Args:
            follow_links: Enter symbolic links to folders. Each folder is listed once: under its own path if
                it is below this folder, else under the first link to it in alphabetical order.
            hidden: List hidden files and folders too.
            skipped: Gets the links to folders that are not entered.

        Raises:
            ConfigError: A folder cannot be listed.
            OSError: The store cannot be reached, after all attempts.
        """
        entries = partial(self._entries, hidden=hidden)
        return walk_files(entries, self.path if self.is_local else None, follow_links, self.threads, skipped)

    def sweep_partial(self) -> list[str]:
        """Delete partial files of killed writers directly in the folder, and return their names.

        No process may be writing to the folder. Stores have no partial files.
        """
        if not self.is_local:
            return []
        leftovers = sorted(Path(self.uri).glob(f".*{PARTIAL_SUFFIX}"))
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)
        return [leftover.name for leftover in leftovers]

    def _opened(self) -> tuple[pafs.FileSystem, str]:
        # A forked process must not use its parent's connections.
        if self._open is None or self._open[0] != os.getpid():
            if self._open is not None:
                INHERITED.append(self._open[1])
            opened = (pafs.LocalFileSystem(), self.uri) if self.is_local else open_store(self.uri)
            self._open = (os.getpid(), *opened)
        return self._open[1:]

    @cached_property
    def _real_path(self) -> str:
        return os.path.realpath(self.uri, strict=True)

    def _type_of(self, place: str) -> pafs.FileType:
        with translate_refusal(f"{place}: cannot be opened. Check your keys and permissions"):
            return self.filesystem.get_file_info(place).type

    def _place_of(self, path: str) -> str:
        if not leads_below(path):
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
        """Return whether reading failed because of the file, not because of the whole folder."""
        if self.is_local:
            return error.errno not in OUTAGES and self.exists()
        if is_refusal(error):
            return self.exists()  # the store refuses this request too if the keys have expired
        # An object that is deleted between opening and reading gives an error without its reason.
        return not self.has(path)

    def _entries(self, folder: str, *, hidden: bool = False) -> Iterator[Entry]:
        """List a folder, given as a path that ends in a slash or is empty."""
        place = f"{self.path}/{folder}".rstrip("/") or "/"
        with translate_refusal(
            f"{place}: cannot be listed. Check that it exists and that you may read it",
            any_error=self.is_local,
        ):
            for entry in local_entries(place) if self.is_local else store_entries(self.filesystem, place):
                if hidden or not entry.name.startswith("."):
                    yield entry


def _open_without_waiting(path: str, flags: int) -> int:
    # Without the flag, opening a pipe waits for its writer. Regular files ignore it.
    return os.open(path, flags | os.O_NONBLOCK)
