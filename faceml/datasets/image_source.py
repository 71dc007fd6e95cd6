"""Encoded images of a data set: files below a folder, or the copies in a landmark table."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from faceml.config import ConfigError
from faceml.datasets.face_columns import ImageNames
from faceml.storage import StorageFolder
from faceml.tables import ImageCopies


class ImageFiles:
    """Read images below a folder, by their `image_id`.

    Args:
        root: The folder that was extracted, a path or URI.
    """

    def __init__(self, root: str | Path) -> None:
        self._folder = StorageFolder(root)

    def __call__(self, image_id: str) -> bytes | None:
        """Return a file's bytes, None if the file is missing.

        Raises:
            OSError: The store cannot be reached, after all attempts.
        """
        data = None
        if self._folder.is_local:  # without a file system layer: every image is read once per epoch
            with suppress(FileNotFoundError):
                data = Path(self._folder.uri, image_id).read_bytes()
            return data
        found = self._folder.read(image_id)
        return found if isinstance(found, bytes) else None

    def has(self, image_id: str) -> bool:
        """Return whether a file exists."""
        return self._folder.has(image_id)


class ImageSource:
    """Read the encoded images of a data set's N rows by position.

    Instances can be pickled, as is necessary for loader processes that are spawned.

    Args:
        table: The landmark table, a path or URI.
        images: The folder that was extracted, a path or URI; None reads the table's column `image_jpeg`.
        image_ids: `image_id` of the rows.
        cache: Folder of the unpacked copies; the user's cache by default.

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
    ) -> None:
        self.image_ids: Sequence[str] = ImageNames(image_ids)
        self._files = ImageFiles(images) if images else None
        self._copies = None if images else ImageCopies(table, image_ids, cache)
        if self._files and len(self.image_ids) and not self._files.has(self.image_ids[0]):
            raise ConfigError(
                f"{images}: has no {self.image_ids[0]}, an image of the table {table}. Name the folder "
                "that was extracted."
            )

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
