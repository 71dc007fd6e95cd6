"""Scans of landmark tables, shard by shard, in memory that does not grow with the table."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faceml.errors import catch_errors
from faceml.storage import map_concurrently
from faceml.tables.landmark_table import READERS, open_table, require_columns
from faceml.tables.schema import read_metadata


class TableScan:
    """Columns of a landmark table as a stream, which can be read any number of times.

    It is an Arrow stream for libraries that read such (`__arrow_c_stream__`), DuckDB among them. The shards
    come in the order of their names, each with its rows in their order.

    Args:
        place: Folder of the table, a path or URI.
        columns: Names of the columns.
        shards: Names of the shards to read; all by default.
        most_rows: Largest number of rows of a batch.
        image_ids: Images whose rows are read, of which the columns must have `image_id`; all by default.
            Shards without any of them are skipped by their statistics.

    Attributes:
        schema: Schema of the batches.
        error: The first error of reading, None if there is none; libraries pass on its text only.

    Raises:
        ConfigError: The folder has no table, the version is incompatible, or a column is missing.
    """

    def __init__(
        self,
        place: str | Path,
        columns: Sequence[str],
        shards: Sequence[str] | None = None,
        most_rows: int = 1 << 16,
        image_ids: Collection[str] | None = None,
    ) -> None:
        self._folder, found = open_table(place)
        self._shards = [shard.name for shard in found] if shards is None else shards
        schema = found[-1].schema
        require_columns(columns, schema, self._folder)
        self.schema = pa.schema([schema.field(name) for name in dict.fromkeys(columns)])
        self.error: BaseException | None = None
        self._most_rows = most_rows
        self._image_ids = None if image_ids is None else sorted(image_ids)

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        """Export the rows by Arrow's C stream interface."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches()).__arrow_c_stream__(
            requested_schema
        )

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the rows in batches.

        Raises:
            ConfigError: A shard's version is incompatible.
            OSError: A shard cannot be read.
        """
        with catch_errors(Exception) as caught:
            for rows in map_concurrently(self._read, self._shards, READERS[self._folder.is_local]):
                yield from rows.to_batches(self._most_rows)
        if caught.error is not None:
            self.error = self.error or caught.error
            raise caught.error

    def _read(self, name: str) -> pa.Table:
        place = f"{self._folder.path}/{name}"
        coalesced = not self._folder.is_local  # one request for neighbouring columns
        with pq.ParquetFile(place, filesystem=self._folder.filesystem, pre_buffer=coalesced) as shard:
            stored = shard.schema_arrow
            read_metadata(stored, f"{self._folder.uri}/{name}")
            if self._image_ids is not None and not _may_have(shard.metadata, self._image_ids):
                return self.schema.empty_table()
            rows = shard.read(
                [column for column in self.schema.names if column in stored.names], use_threads=False
            )
        columns = [
            rows[field.name].cast(field.type)
            if field.name in rows.column_names
            else pa.nulls(len(rows), field.type)
            for field in self.schema
        ]
        rows = pa.table(columns, schema=self.schema)
        if self._image_ids is None:
            return rows
        return rows.filter(pc.is_in(rows["image_id"], value_set=pa.array(self._image_ids, pa.string())))


def _may_have(metadata: pq.FileMetaData, image_ids: Sequence[str]) -> bool:
    """Return whether a shard may have rows of any of the images, which are sorted."""
    place = metadata.schema.names.index("image_id")
    for index in range(metadata.num_row_groups):
        statistics = metadata.row_group(index).column(place).statistics
        if statistics is None or not statistics.has_min_max:
            return True
        if bisect_left(image_ids, statistics.min) < bisect_right(image_ids, statistics.max):
            return True
    return False
