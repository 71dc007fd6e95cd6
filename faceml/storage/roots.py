"""Folders that several data sets are stored in, whose files have common paths."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from faceml.storage.folder import ReadFailure, StorageFolder
from faceml.storage.listing import StoredFile

Places = str | Path | Mapping[str, str]
"""A folder, a path or URI; or several by the names of their sources."""


class StorageRoots:
    """One folder, or those of several sources, read like one.

    The path of a file is the one below the folder. With several folders it begins with the name of the
    source: `affectnet/0/a.jpg`.

    It can be pickled, like `StorageFolder`.

    Args:
        places: The folder, or the folders by the names of their sources.

    Attributes:
        folders: The folders by the names of their sources; by None if there is one without a name.

    Raises:
        ConfigError: An invalid URI; names what is allowed.
    """

    def __init__(self, places: Places) -> None:
        named: Mapping[str | None, str | Path] = (
            dict(places.items()) if isinstance(places, Mapping) else {None: places}
        )
        self.folders = {name: StorageFolder(place) for name, place in named.items()}

    def __str__(self) -> str:
        return ", ".join(
            folder.uri if name is None else f"{name}: {folder.uri}" for name, folder in self.folders.items()
        )

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources; none if there is one folder without a name."""
        return tuple(name for name in self.folders if name is not None)

    @property
    def is_local(self) -> bool:
        """Whether all folders are on file systems of the operating system."""
        return all(folder.is_local for folder in self.folders.values())

    def split(self, path: str) -> tuple[str | None, str]:
        """Return the source of a file, if the folders have names, and its path below the folder."""
        if None in self.folders:
            return None, path
        source, _, below = path.partition("/")
        return source, below

    def exist(self) -> bool:
        """Return whether all folders exist.

        Raises:
            ConfigError: It is refused; names the reason.
            OSError: A store cannot be reached, after all attempts.
        """
        return all(folder.exists() for folder in self.folders.values())

    def read(
        self, path: str, max_bytes: int | None = None, follow_links: bool = False
    ) -> bytes | ReadFailure:
        """Read a file, see `StorageFolder.read`; those of other sources are unreadable."""
        source, below = self.split(path)
        folder = self.folders.get(source)
        return "unreadable" if folder is None else folder.read(below, max_bytes, follow_links)

    def walk(self, follow_links: bool = False, skipped: list[str] | None = None) -> Iterator[StoredFile]:
        """List all files, see `StorageFolder.walk`."""
        for source, folder in self.folders.items():
            prefix, links = "" if source is None else f"{source}/", list[str]()
            for file in folder.walk(follow_links, skipped=links):
                yield file._replace(path=prefix + file.path)
            if skipped is not None:
                skipped += [prefix + link for link in links]
