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
from faceml.tables.landmark_sets import MESH_COLUMNS
from faceml.tables.landmark_table import READERS, open_table, require_columns
from faceml.tables.schema import read_metadata


class TableScan:
    """Columns of a landmark table as a stream, which can be read any number of times.

    It is an Arrow stream for libraries that read such (`__arrow_c_stream__`), DuckDB among them, which has no
    half precision: there, the mesh is float32. The shards come in the order of their names, each with its
    rows in their order.

    Args:
        place: Folder of the table, a path or URI.
        columns: Names of the columns. `mesh_33` is x and y of vertex 33 of the column `mesh`.
        shards: Names of the shards to read; all by default.
        most_rows: Largest number of rows of a batch.
        image_ids: Images whose rows are read, of which the columns must have `image_id`; all by default.
            Shards without any of them are skipped by their statistics.

    Attributes:
        schema: Schema of the batches, with the metadata of the table.
        num_rows: Number of rows of the shards.
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
        read = {shard.name: shard.num_rows for shard in found if shards is None or shard.name in set(shards)}
        self._shards, self.num_rows = list(read) if shards is None else shards, sum(read.values())
        schema = found[-1].schema
        require_columns(columns, schema, self._folder)
        fields = [_field(schema, name) for name in dict.fromkeys(columns)]
        self.schema = pa.schema(fields, metadata=schema.metadata)
        self.error: BaseException | None = None
        self._most_rows = most_rows
        self._image_ids = None if image_ids is None else sorted(image_ids)

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        """Export the rows by Arrow's C stream interface."""
        schema = self._exported_schema()
        batches = (batch.cast(schema) for batch in self.batches())
        return pa.RecordBatchReader.from_batches(schema, batches).__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> Any:
        """Export the schema of that stream."""
        return self._exported_schema().__arrow_c_schema__()

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

    def _exported_schema(self) -> pa.Schema:
        return pa.schema([_without_half_precision(field) for field in self.schema])

    def _read(self, name: str) -> pa.Table:
        place = f"{self._folder.path}/{name}"
        coalesced = not self._folder.is_local  # one request for neighbouring columns
        with pq.ParquetFile(place, filesystem=self._folder.filesystem, pre_buffer=coalesced) as shard:
            stored = shard.schema_arrow
            read_metadata(stored, f"{self._folder.uri}/{name}")
            if self._image_ids is not None and not _may_have(shard.metadata, self._image_ids):
                return self.schema.empty_table()
            wanted = dict.fromkeys(map(_stored_column, self.schema.names))
            rows = shard.read([column for column in wanted if column in stored.names], use_threads=False)
        columns = [
            _values(rows, field)
            if _stored_column(field.name) in rows.column_names
            else pa.nulls(len(rows), field.type)
            for field in self.schema
        ]
        rows = pa.table(columns, schema=self.schema)
        if self._image_ids is None:
            return rows
        return rows.filter(pc.is_in(rows["image_id"], value_set=pa.array(self._image_ids, pa.string())))


def _without_half_precision(field: pa.Field) -> pa.Field:
    kind = field.type
    is_half = pa.types.is_fixed_size_list(kind) and pa.types.is_float16(kind.value_type)
    return field.with_type(pa.list_(pa.float32(), kind.list_size)) if is_half else field


def _stored_column(name: str) -> str:
    """Return the column of the table that has the values of a column."""
    return "mesh" if name in MESH_COLUMNS else name


def _field(schema: pa.Schema, name: str) -> pa.Field:
    field = schema.field(_stored_column(name))
    return pa.field(name, pa.list_(field.type.value_type, 2)) if name in MESH_COLUMNS else field


def _values(rows: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    """Return the values of a column, or x and y of a vertex of the mesh."""
    if field.name not in MESH_COLUMNS:
        return rows[field.name].cast(field.type)
    first = 3 * MESH_COLUMNS[field.name]
    return pc.list_slice(rows["mesh"], first, first + 2, return_fixed_size_list=True)


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
