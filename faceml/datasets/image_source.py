"""Encoded images of a data set: files below a folder, or the copies in a landmark table."""

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

from faceml.config import ConfigError
from faceml.storage import Places, StorageRoots
from faceml.tables import ImageCopies


class ImageFiles:
    """Read images below one or several folders, by their `image_id`.

    A table may be of unknown origin, so that nothing outside of a folder is read; see `StorageFolder.read`.

    Args:
        root: The folder that was extracted, a path or URI, or the folders by the names of their sources.
        follow_links: Read also files outside of the folder that symbolic links lead to.
    """

    def __init__(self, root: Places, *, follow_links: bool = False) -> None:
        self._roots = StorageRoots(root)
        self._follow_links = follow_links

    def __str__(self) -> str:
        return str(self._roots)

    def __call__(self, image_id: str) -> bytes | None:
        """Return a file's bytes, None if the file is missing, cannot be read or is not below the folder.

        Raises:
            OSError: The folder is missing, or the store cannot be reached, after all attempts.
        """
        found = self._roots.read(image_id, follow_links=self._follow_links)
        return found if isinstance(found, bytes) else None

    @property
    def is_local(self) -> bool:
        """Whether all folders are on file systems of the operating system."""
        return self._roots.is_local

    def exists(self) -> bool:
        """Return whether the folders exist."""
        return self._roots.exist()

    def find_missing(self, image_ids: Sequence[str]) -> str | None:
        """Return the first image of a source, or of all, that cannot be read; None if there is none.

        Args:
            image_ids: Names of images, sorted.
        """
        place = 0
        while place < len(image_ids):
            first = image_ids[place]
            source, _ = self._roots.split(first)
            folder = self._roots.folders.get(source)
            if folder is None or not folder.exists() or self(first) is None:
                return first
            # The names of a source's images begin with `source/`; `0` is the character after the slash.
            place = len(image_ids) if source is None else bisect_left(image_ids, f"{source}0")
        return None


class ImageSource:
    """Read the encoded images of a data set's N rows by position.

    Instances can be pickled, as is necessary for loader processes that are spawned.

    Args:
        table: The landmark table, a path or URI.
        images: The folder that was extracted, a path or URI, or the folders by the names of their sources;
            None reads the table's column `image_jpeg`.
        image_ids: `image_id` of the rows, sorted.
        names: Names of the rows, see `face_names`.
        cache: Folder of the unpacked copies; the user's cache by default.
        follow_links: Read also files outside of `images` that symbolic links lead to.

    Attributes:
        image_ids: `image_id` of the rows.

    Raises:
        ConfigError: The folder lacks the first image, also of a source, or the table has no copies.
    """

    def __init__(
        self,
        table: str | Path,
        images: Places | None,
        image_ids: Sequence[str],
        names: Sequence[str],
        cache: Path | None = None,
        *,
        follow_links: bool = False,
    ) -> None:
        self.image_ids = image_ids
        self._files = ImageFiles(images, follow_links=follow_links) if images else None
        self._copies = None if images else ImageCopies(table, names, cache)
        missing = self._files.find_missing(self.image_ids) if self._files else None
        if missing is not None:
            raise ConfigError(
                f"{self._files}: has no {missing}, an image of the table {table}. Name the folder that was "
                "extracted, or those of all sources; if its images are links to files outside of it, set "
                "follow_links: true beside it."
            )

    @property
    def has_copies(self) -> bool:
        """Whether the images are the table's copies."""
        return self._copies is not None

    @property
    def is_local(self) -> bool:
        """Whether images are read from this machine, and not from a store."""
        return self._files is None or self._files.is_local

    def read(self, index: int) -> bytes | None:
        """Return the encoded image of a row, None if its file is missing.

        Raises:
            OSError: The store cannot be reached, after all attempts.
        """
        if self._files:
            return self._files(self.image_ids[index])
        return self._copies(index) if self._copies else None

    def prepare(self) -> None:
        """Unpack the table's copies now, for this process and the loader processes forked from it."""
        if self._copies:
            self._copies.prepare()
