"""Random access to the training copies of a landmark table.

Parquet compresses the images of a shard together, so reading one means decompressing hundreds. A training
that draws images in random order reads them from a flat file in the cache, which is written once.
"""

import fcntl
import hashlib
import logging
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faceml.storage import PARTIAL_SUFFIX, StorageFolder, atomic_file, user_cache
from faceml.tables.face_rows import face_names, key_columns
from faceml.tables.landmark_table import require_columns, shard_names
from faceml.tables.manifest import SHARD_SUFFIX, distinct_schemas, read_shards

COLUMN = "image_jpeg"
ROWS_AT_ONCE = 64

logger = logging.getLogger(__name__)


class ImageCopies:
    """Read the training copies of some rows of a table by their index.

    Bytes are read by `pread`, so that the page cache of the file does not count as memory of the process.

    Args:
        table: Landmark table, a path or URI.
        names: Names of the rows, see `face_names`.
        cache: Folder of the flat files; the user's cache by default.

    Raises:
        ConfigError: The table has no training copies.
    """

    def __init__(self, table: str | Path, names: pa.ChunkedArray, cache: Path | None = None) -> None:
        self._table = StorageFolder(table)
        for shard in distinct_schemas(read_shards(self._table)):
            require_columns([COLUMN], shard.schema, self._table)
        self._names = names
        self._file = _folder(cache) / f"{_prefix(self._table)}{_version(self._table)}.jpegs"

    def __call__(self, index: int) -> bytes:
        """Return the encoded bytes of a row's copy, empty if the row has none."""
        start, length = self._places[index]
        return os.pread(self._descriptor, length, start)

    def prepare(self) -> None:
        """Write and open the file now, for this process and those forked from it."""
        self._places, self._descriptor  # noqa: B018 - cached properties

    def __getstate__(self) -> dict[str, object]:
        """Leave out the file descriptor: a spawned process opens the file itself."""
        return {name: value for name, value in vars(self).items() if name != "_descriptor"}

    @cached_property
    def _places(self) -> npt.NDArray[np.int64]:
        """Offset and length of each row's copy, int64 of shape (N, 2)."""
        index = pq.read_table(self._ensure_written())
        rows = pc.index_in(self._names, value_set=index["image_id"])
        columns = (pc.fill_null(index[name].take(rows), 0) for name in ("start", "length"))
        return np.stack([column.to_numpy() for column in columns], axis=1)

    @cached_property
    def _descriptor(self) -> int:
        self._ensure_written()
        return os.open(self._file, os.O_RDONLY)

    def _ensure_written(self) -> Path:
        """Write the flat file unless it exists, and return the path of its index."""
        index = self._file.with_suffix(".index")
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.parent.chmod(0o700)  # copies of faces are for this user only
        with self._file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one process of this machine writes, the others wait
            if not (index.is_file() and self._file.is_file()):
                self._write(index)
        return index

    def _write(self, index: Path) -> None:
        logger.info("Copying the images of %s to %s, once", self._table.uri, self._file)
        for partial in self._file.parent.glob(f".{self._file.stem}.*{PARTIAL_SUFFIX}"):
            partial.unlink()  # left by a process that was killed; this one holds the lock
        names, lengths = list[pa.Array](), list[int]()
        with atomic_file(self._file) as partial, _private(partial).open("wb") as flat:
            for shard in shard_names(self._table):
                file = f"{self._table.path}/{shard}"
                rows = pq.ParquetFile(file, filesystem=self._table.filesystem)
                columns = [*key_columns(rows.schema_arrow.names), COLUMN]
                for batch in rows.iter_batches(ROWS_AT_ONCE, columns=columns):
                    names += face_names(pa.Table.from_batches([batch])).chunks
                    copies = [copy or b"" for copy in batch[COLUMN].to_pylist()]
                    flat.writelines(copies)
                    lengths.extend(map(len, copies))
        ends = np.cumsum(lengths, dtype=np.int64)
        index_of = pa.table({"image_id": pa.chunked_array(names), "start": ends - lengths, "length": lengths})
        with atomic_file(index) as partial:
            pq.write_table(index_of, _private(partial))
        for stale in self._file.parent.glob(f"{_prefix(self._table)}*"):
            if stale.stem != self._file.stem:  # of an earlier version of the table
                stale.unlink(missing_ok=True)


def remove_copies(
    spellings: Sequence[str], caches: Sequence[Path | None], *, dry_run: bool = False
) -> list[Path]:
    """Remove the cached files of a table's image copies on this machine, and return their paths.

    Args:
        spellings: Paths and URIs by which the table was opened.
        caches: Folders of the flat files; None is the user's cache.
        dry_run: Only return the paths.
    """
    tables = [StorageFolder(spelling) for spelling in spellings]
    found = {
        file for cache in caches for table in tables for file in _folder(cache).glob(f"{_prefix(table)}*")
    }
    for file in () if dry_run else found:
        file.unlink(missing_ok=True)
    return sorted(found)


def _private(file: Path) -> Path:
    """Create a file that no other user may read, and return its path."""
    file.touch(mode=0o600)
    return file


def _folder(cache: Path | None) -> Path:
    return (cache or user_cache()) / "copies"


def _prefix(table: StorageFolder) -> str:
    """Return the prefix of the names of a table's files."""
    return hashlib.sha256(table.uri.encode()).hexdigest()[:12] + "-"


def _version(table: StorageFolder) -> str:
    """Return a digest that changes with any shard."""
    known = [tuple(file) for file in table.listed_files(SHARD_SUFFIX)]
    return hashlib.sha256(repr(known).encode()).hexdigest()[:12]
