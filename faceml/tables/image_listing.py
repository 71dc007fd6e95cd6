"""Listing of the images below one or several folders."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import PurePosixPath

import pyarrow as pa

from faceml.storage import StorageRoots, StoredFile

LISTING_SCHEMA = pa.schema(
    [("image_id", pa.string()), ("file_bytes", pa.int64()), ("modified_ns", pa.int64())]
)
# Limits the memory for Python objects, about 300 bytes for each file.
FILES_PER_BATCH = 100_000
MAX_ENDINGS = 10
"""Number of endings of other files that are named."""

logger = logging.getLogger(__name__)


def list_images(roots: StorageRoots, extensions: Sequence[str], follow_links: bool = False) -> pa.Table:
    """List the images below one or several folders without hidden ones, see `StorageFolder.walk`.

    Files with other extensions are left out, and their number is logged.

    Args:
        roots: The folders.
        extensions: Extensions with their dot, such as `.jpg`; case is ignored.
        follow_links: Follow symbolic links to folders.

    Returns:
        Listing as of `image_table`.

    Raises:
        ConfigError: A folder cannot be listed.
    """
    left_out = Counter[str]()
    images = image_table(roots.walk(follow_links), extensions, left_out)
    if left_out:
        by_count = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
        endings = [f"{count:,} {ending or 'without one'}" for ending, count in by_count]
        logger.warning(
            "%s: files are left out, because their extensions are not in data.extensions: %s",
            roots,
            ", ".join(endings[:MAX_ENDINGS]) + (", …" if len(endings) > MAX_ENDINGS else ""),
        )
    return images


def image_table(
    files: Iterable[StoredFile], extensions: Sequence[str], left_out: Counter[str] | None = None
) -> pa.Table:
    """Select the images among files, sorted by the UTF-8 bytes of their path.

    Args:
        files: Files in any order, consumed one by one to limit the memory for millions.
        extensions: Extensions with their dot, such as `.jpg`; case is ignored.
        left_out: Counts the extensions of all other files, in lower case.

    Returns:
        Columns `image_id`, the path; `file_bytes`; `modified_ns`, the time of the last change.
    """
    suffixes = tuple(extension.lower() for extension in extensions)
    others = Counter[str]() if left_out is None else left_out

    def is_image(file: StoredFile) -> bool:
        path = file.path.lower()
        if not path.endswith(suffixes):
            others[PurePosixPath(path).suffix] += 1
            return False
        return True

    return pa.Table.from_batches(_batches(filter(is_image, files)), LISTING_SCHEMA).sort_by("image_id")


def _batches(images: Iterator[StoredFile]) -> Iterator[pa.RecordBatch]:
    while batch := list(islice(images, FILES_PER_BATCH)):
        yield pa.record_batch(list(zip(*batch, strict=True)), schema=LISTING_SCHEMA)
