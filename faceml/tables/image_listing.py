"""Listing the images below a folder."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import pyarrow as pa

from faceml.storage import StorageFolder, StoredFile

LISTING_SCHEMA = pa.schema(
    [("image_id", pa.string()), ("file_bytes", pa.int64()), ("modified_ns", pa.int64())]
)
# Python objects of so many files are held at once, at about 300 bytes each.
FILES_PER_BATCH = 100_000


def list_images(folder: StorageFolder, extensions: Sequence[str], follow_links: bool = False) -> pa.Table:
    """List the images below a folder, without hidden ones; see `StorageFolder.walk`.

    Args:
        folder: The folder.
        extensions: Endings with their dot, such as `.jpg`; upper and lower case are the same.
        follow_links: Enter symbolic links to folders.

    Returns:
        What `image_table` makes of them.

    Raises:
        ConfigError: A folder cannot be listed.
    """
    return image_table(folder.walk(follow_links), extensions)


def image_table(files: Iterable[StoredFile], extensions: Sequence[str]) -> pa.Table:
    """Choose the images among files and sort them by the UTF-8 bytes of their whole path.

    Args:
        files: Files in any order, taken one by one, so that there may be millions.
        extensions: Endings with their dot, such as `.jpg`; upper and lower case are the same.

    Returns:
        Columns `image_id`, the path; `file_bytes`; `modified_ns`, the time of the last change.
    """
    endings = tuple(extension.lower() for extension in extensions)
    images = (file for file in files if file.path.lower().endswith(endings))
    return pa.Table.from_batches(_batches(images), LISTING_SCHEMA).sort_by("image_id")


def _batches(images: Iterator[StoredFile]) -> Iterator[pa.RecordBatch]:
    while batch := list(islice(images, FILES_PER_BATCH)):
        yield pa.record_batch(list(zip(*batch, strict=True)), schema=LISTING_SCHEMA)
