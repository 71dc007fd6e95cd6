"""Listing of the images below one or several folders."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from faceml.storage import StorageRoots, StoredFile

LISTING_SCHEMA = pa.schema(
    [("image_id", pa.string()), ("file_bytes", pa.int64()), ("modified_ns", pa.int64())]
)
# Limits the memory for Python objects, about 300 bytes for each file.
FILES_PER_BATCH = 100000
MAX_ENDINGS = 10
"""Number of endings of other files that are named."""
MAX_LINKS = 3
"""Number of links to folders that are named."""

logger = logging.getLogger(__name__)


def list_images(roots: StorageRoots, extensions: Sequence[str], follow_links: bool = False) -> pa.Table:
    """List the images below one or several folders without hidden ones, see `list_image_batches`.

    Returns:
        Listing as of `image_table`.

    Raises:
        ConfigError: A folder cannot be listed.
    """
    return _sorted_table(list_image_batches(roots, extensions, follow_links))


def list_image_batches(
    roots: StorageRoots, extensions: Sequence[str], follow_links: bool = False
) -> Iterator[pa.RecordBatch]:
    """List the images below one or several folders without hidden ones, see `StorageFolder.walk`.

    Files with other extensions are left out, as are links to folders unless they are followed; their numbers
    are logged.

    Args:
        roots: The folders.
        extensions: Extensions with their dot, such as `.jpg`; case is ignored.
        follow_links: Follow symbolic links to folders.

    Yields:
        Images in no particular order, see `image_batches`.

    Raises:
        ConfigError: A folder cannot be listed.
    """
    left_out, links = Counter[str](), list[str]()
    yield from image_batches(roots.walk(follow_links, links), extensions, left_out)
    if links:
        logger.warning(
            "%s: %d symbolic links to folders are not followed (%s). Set data.follow_links: true for the "
            "images below them.",
            roots,
            len(links),
            ", ".join(sorted(links)[:MAX_LINKS]) + (", …" if len(links) > MAX_LINKS else ""),
        )
    if left_out:
        by_count = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
        endings = [f"{count:,} {ending or 'without one'}" for ending, count in by_count]
        logger.warning(
            "%s: files are left out, because their extensions are not in data.extensions: %s",
            roots,
            ", ".join(endings[:MAX_ENDINGS]) + (", …" if len(endings) > MAX_ENDINGS else ""),
        )


def image_table(
    files: Iterable[StoredFile], extensions: Sequence[str], left_out: Counter[str] | None = None
) -> pa.Table:
    """Select the images among files, sorted by the UTF-8 bytes of their path, see `image_batches`."""
    return _sorted_table(image_batches(files, extensions, left_out))


def image_batches(
    files: Iterable[StoredFile], extensions: Sequence[str], left_out: Counter[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Select the images among files, in batches of at most `FILES_PER_BATCH` files.

    Args:
        files: Files in any order, consumed one by one to limit the memory for millions.
        extensions: Extensions with their dot, such as `.jpg`; case is ignored.
        left_out: Counts the extensions of all other files, in lower case.

    Yields:
        Columns `image_id`, the path; `file_bytes`; `modified_ns`, the time of the last change.
    """
    others, remaining = Counter[str]() if left_out is None else left_out, iter(files)
    while chosen := list(islice(remaining, FILES_PER_BATCH)):
        # Ten times as fast as zip with as many arguments.
        columns = [list(map(itemgetter(index), chosen)) for index in range(len(LISTING_SCHEMA))]
        batch = pa.record_batch(columns, schema=LISTING_SCHEMA)
        is_image = _end_in(batch["image_id"], extensions)
        others.update(map(_extension, batch["image_id"].filter(pc.invert(is_image)).to_pylist()))
        yield batch.filter(is_image)


def _end_in(paths: pa.Array, extensions: Sequence[str]) -> pa.Array:
    """Return whether each path ends in one of the extensions, in any case."""
    lower, found = pc.utf8_lower(paths), pa.repeat(False, len(paths))
    for extension in extensions:
        found = pc.or_(found, pc.ends_with(lower, extension.lower()))
    return found


def _extension(path: str) -> str:
    return PurePosixPath(path.lower()).suffix


def _sorted_table(batches: Iterable[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches, LISTING_SCHEMA).sort_by("image_id")
