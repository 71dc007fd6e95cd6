"""The images that a landmark table was made from, read one by one."""

from contextlib import suppress
from pathlib import Path

from faceml.storage import StorageFolder


class ImageFiles:
    """Read images below a folder, by their names in a table.

    Args:
        root: The folder that was extracted, a path or URI.
    """

    def __init__(self, root: str | Path) -> None:
        self._folder = StorageFolder(root)

    def __call__(self, image_id: str) -> bytes | None:
        """Return a file's bytes, None if it is gone.

        Raises:
            OSError: The store cannot be reached, after all attempts.
        """
        data = None
        if self._folder.is_local:  # as quick as can be: a training asks for each image in each epoch
            with suppress(FileNotFoundError):
                data = Path(self._folder.uri, image_id).read_bytes()
            return data
        found = self._folder.read(image_id)
        return found if isinstance(found, bytes) else None

    def has(self, image_id: str) -> bool:
        """Say whether a file is there."""
        return self._folder.has(image_id)
