"""Random access to the training copies of a landmark table.

Parquet compresses the images of a shard together, so reading one means decompressing hundreds. A training
that draws images in random order reads them from a flat file in the cache, which is written once.
"""

import logging
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from faceml.storage import (
    PARTIAL_SUFFIX,
    MappedRows,
    MappedText,
    RowsToMap,
    StorageFolder,
    atomic_file,
    find_sorted,
    hold_lock,
    private_file,
)
from faceml.tables.face_rows import face_names, key_columns
from faceml.tables.landmark_table import require_columns, shard_names
from faceml.tables.manifest import distinct_schemas, read_shards
from faceml.tables.table_cache import cached_file, remove_earlier_versions

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

    def __init__(self, table: str | Path, names: Sequence[str], cache: Path | None = None) -> None:
        self._table = StorageFolder(table)
        self._names = names
        self._file = cached_file(self._table, "copies", cache, ".jpegs")
        for shard in () if self._file.is_file() else distinct_schemas(read_shards(self._table)):
            require_columns([COLUMN], shard.schema, self._table)

    def __call__(self, index: int) -> bytes:
        """Return the encoded bytes of a row's copy, empty if the row has none."""
        names, starts, lengths = self._places
        place = find_sorted(names, self._names[index])
        if place is None:
            return b""
        return os.pread(self._descriptor, int(lengths[place]), int(starts[place]))

    def prepare(self) -> None:
        """Write and open the file now, for this process and those forked from it."""
        self._places, self._descriptor  # noqa: B018 - cached properties

    def __getstate__(self) -> dict[str, object]:
        """Leave out the open files: a spawned process opens them itself."""
        return {name: value for name, value in vars(self).items() if name not in ("_descriptor", "_places")}

    @cached_property
    def _places(self) -> tuple[Sequence[str], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Names of all rows that have a copy, sorted, with offsets and lengths of the copies."""
        index = MappedRows(self._ensure_written())
        return MappedText(index, "image_id"), index.numbers("start"), index.numbers("length")

    @cached_property
    def _descriptor(self) -> int:
        self._ensure_written()
        return os.open(self._file, os.O_RDONLY)

    def _ensure_written(self) -> Path:
        """Write the flat file unless it exists, and return the path of its index."""
        index = self._file.with_suffix(".places")
        with hold_lock(self._file.with_suffix(".lock")):
            if not (index.is_file() and self._file.is_file()):
                self._write(index)
        return index

    def _write(self, index: Path) -> None:
        logger.info("Copying the images of %s to %s, once", self._table.uri, self._file)
        for partial in self._file.parent.glob(f".{self._file.stem}.*{PARTIAL_SUFFIX}"):
            partial.unlink()  # left by a process that was killed; this one holds the lock
        names, lengths = list[pa.Array](), list[npt.NDArray[np.int64]]()
        with atomic_file(self._file) as partial, private_file(partial).open("wb") as flat:
            for shard in shard_names(self._table):
                file = f"{self._table.path}/{shard}"
                rows = pq.ParquetFile(file, filesystem=self._table.filesystem)
                columns = [*key_columns(rows.schema_arrow.names), COLUMN]
                for batch in rows.iter_batches(ROWS_AT_ONCE, columns=columns):
                    names += face_names(pa.Table.from_batches([batch])).chunks
                    copies = [copy or b"" for copy in batch[COLUMN].to_pylist()]
                    flat.writelines(copies)
                    lengths.append(np.array([len(copy) for copy in copies], dtype=np.int64))
        with atomic_file(index) as partial:
            _index_of(names, lengths).write(private_file(partial))
        remove_earlier_versions(self._file, self._table)


def _index_of(names: Sequence[pa.Array], lengths: Sequence[npt.NDArray[np.int64]]) -> RowsToMap:
    """Return the places of copies in the flat file, sorted by name."""
    of_each = np.concatenate([np.empty(0, np.int64), *lengths])
    ends = np.cumsum(of_each)
    ids = pa.chunked_array(names, pa.string()).cast(pa.large_string())
    rows = pa.table({"image_id": ids, "start": ends - of_each, "length": of_each}).sort_by("image_id")
    starts, sizes = (rows[name].to_numpy() for name in ("start", "length"))
    return RowsToMap({"image_id": rows["image_id"].combine_chunks(), "start": starts, "length": sizes}, {})
