"""Encoded images of a data set: files below a folder, or the copies in a landmark table."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from faceml.config import ConfigError
from faceml.datasets.face_columns import ImageNames
from faceml.storage import StorageFolder
from faceml.tables import ImageCopies


class ImageFiles:
    """Read images below a folder, by their `image_id`.

    A table may be of unknown origin, so that nothing outside of the folder is read; see `StorageFolder.read`.

    Args:
        root: The folder that was extracted, a path or URI.
        follow_links: Read also files outside of the folder that symbolic links lead to.
    """

    def __init__(self, root: str | Path, *, follow_links: bool = False) -> None:
        self._folder = StorageFolder(root)
        self._follow_links = follow_links

    def __call__(self, image_id: str) -> bytes | None:
        """Return a file's bytes, None if the file is missing, cannot be read or is not below the folder.

        Raises:
            OSError: The folder is missing, or the store cannot be reached, after all attempts.
        """
        found = self._folder.read(image_id, follow_links=self._follow_links)
        return found if isinstance(found, bytes) else None

    def exists(self) -> bool:
        """Return whether the folder exists."""
        return self._folder.exists()


class ImageSource:
    """Read the encoded images of a data set's N rows by position.

    Instances can be pickled, as is necessary for loader processes that are spawned.

    Args:
        table: The landmark table, a path or URI.
        images: The folder that was extracted, a path or URI; None reads the table's column `image_jpeg`.
        image_ids: `image_id` of the rows.
        cache: Folder of the unpacked copies; the user's cache by default.
        follow_links: Read also files outside of `images` that symbolic links lead to.

    Attributes:
        image_ids: `image_id` of the rows.

    Raises:
        ConfigError: The folder lacks the first image, or the table has no copies.
    """

    def __init__(
        self,
        table: str | Path,
        images: str | Path | None,
        image_ids: pa.ChunkedArray,
        cache: Path | None = None,
        *,
        follow_links: bool = False,
    ) -> None:
        self.image_ids: Sequence[str] = ImageNames(image_ids)
        self._files = ImageFiles(images, follow_links=follow_links) if images else None
        self._copies = None if images else ImageCopies(table, image_ids, cache)
        if self._files and len(self.image_ids) and not self._has_first(self._files):
            raise ConfigError(
                f"{images}: has no {self.image_ids[0]}, an image of the table {table}. Name the folder "
                "that was extracted; if its images are links to files outside of it, set follow_links: true "
                "beside it."
            )

    def read(self, index: int) -> bytes | None:
        """Return the encoded image of a row, None if its file is missing.

        Raises:
            OSError: The store cannot be reached, after all attempts.
        """
        if self._files:
            return self._files(self.image_ids[index])
        return self._copies(index) if self._copies else None

    def _has_first(self, files: ImageFiles) -> bool:
        return files.exists() and files(self.image_ids[0]) is not None

    def prepare(self) -> None:
        """Unpack the table's copies now, for this process and the loader processes forked from it."""
        if self._copies:
            self._copies.prepare()
