"""Listing of the images below a folder."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import pyarrow as pa

from faceml.storage import StorageFolder, StoredFile

LISTING_SCHEMA = pa.schema(
    [("image_id", pa.string()), ("file_bytes", pa.int64()), ("modified_ns", pa.int64())]
)
# Limits the memory for Python objects, about 300 bytes for each file.
FILES_PER_BATCH = 100_000


def list_images(folder: StorageFolder, extensions: Sequence[str], follow_links: bool = False) -> pa.Table:
    """List the images below a folder without hidden ones, see `StorageFolder.walk`.

    Args:
        folder: Root folder.
        extensions: Extensions with their dot, such as `.jpg`; case is ignored.
        follow_links: Follow symbolic links to folders.

    Returns:
        Listing as of `image_table`.

    Raises:
        ConfigError: A folder cannot be listed.
    """
    return image_table(folder.walk(follow_links), extensions)


def image_table(files: Iterable[StoredFile], extensions: Sequence[str]) -> pa.Table:
    """Select the images among files, sorted by the UTF-8 bytes of their path.

    Args:
        files: Files in any order, consumed one by one to limit the memory for millions.
        extensions: Extensions with their dot, such as `.jpg`; case is ignored.

    Returns:
        Columns `image_id`, the path; `file_bytes`; `modified_ns`, the time of the last change.
    """
    suffixes = tuple(extension.lower() for extension in extensions)
    images = (file for file in files if file.path.lower().endswith(suffixes))
    return pa.Table.from_batches(_batches(images), LISTING_SCHEMA).sort_by("image_id")


def _batches(images: Iterator[StoredFile]) -> Iterator[pa.RecordBatch]:
    while batch := list(islice(images, FILES_PER_BATCH)):
        yield pa.record_batch(list(zip(*batch, strict=True)), schema=LISTING_SCHEMA)
