"""Lists of files in Parquet files of this machine, which may be larger than memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faceml.storage import StoredFile
from faceml.tables import LISTING_SCHEMA, ROWS_PER_GROUP, read_row_groups


class ShardFiles(NamedTuple):
    """Files of the images of one shard, with the columns of a listing."""

    name: str
    files: pa.Table


@dataclass(frozen=True)
class FileList:
    """Files of images with the columns of a listing.

    Attributes:
        file: Local Parquet file.
        num_rows: Number of files.
        num_bytes: Their total size.
    """

    file: Path
    num_rows: int
    num_bytes: int

    def read(self) -> pa.Table:
        """Return all files at once."""
        return pa.concat_tables([LISTING_SCHEMA.empty_table(), *self.tables()])

    def tables(self) -> Iterator[pa.Table]:
        """Yield the files in their order, in tables of bounded size."""
        for table in read_row_groups(self.file):
            yield table.select(LISTING_SCHEMA.names).cast(LISTING_SCHEMA)

    def sample(self, number: int) -> list[StoredFile]:
        """Return so many files, or all, at equal distances in the list."""
        step, start, found = max(1, self.num_rows // number), 0, list[StoredFile]()
        for table in self.tables():
            places = pa.array(range(-start % step, table.num_rows, step), pa.int64())
            found += to_stored_files(table.take(places))
            start += table.num_rows
        return found[:number]


@dataclass(frozen=True)
class ShardFileList(FileList):
    """Files of the images of shards, those of a shard adjacent; the column `shard` has its name.

    Attributes:
        num_shards: Number of shards.
    """

    num_shards: int

    def names(self) -> list[str]:
        """Return the names of the shards in their order."""
        names: dict[str, None] = {}
        with pq.ParquetFile(self.file) as opened:
            for batch in opened.iter_batches(ROWS_PER_GROUP, columns=["shard"]):
                names |= dict.fromkeys(pc.unique(batch["shard"]).to_pylist())
        return list(names)

    def shards(self) -> Iterator[ShardFiles]:
        """Yield the shards in their order."""
        return iterate_shards(read_row_groups(self.file))


def iterate_shards(tables: Iterator[pa.Table]) -> Iterator[ShardFiles]:
    """Yield the shards of tables with the columns of a listing and `shard`."""
    name, parts = "", list[pa.Table]()
    for table in tables:
        runs = pc.run_end_encode(table["shard"].combine_chunks(), run_end_type=pa.int32())
        runs = runs.combine_chunks() if isinstance(runs, pa.ChunkedArray) else runs
        files, start = table.select(LISTING_SCHEMA.names).cast(LISTING_SCHEMA), 0
        for shard, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
            if parts and shard != name:
                yield ShardFiles(name, pa.concat_tables(parts))
                parts = []
            name = shard
            parts.append(files.slice(start, end - start))
            start = end
    if parts:
        yield ShardFiles(name, pa.concat_tables(parts))


def to_stored_files(files: pa.Table) -> list[StoredFile]:
    """Return the files of a listing as objects."""
    columns = (files[name].to_pylist() for name in LISTING_SCHEMA.names)
    return [StoredFile(*row) for row in zip(*columns, strict=True)]


def encode_files(files: pa.Table) -> bytes:
    """Return the files of a shard as compressed bytes, to send them to a worker."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, LISTING_SCHEMA, options=options) as writer:
        writer.write_table(files.combine_chunks())
    data: bytes = sink.getvalue().to_pybytes()
    return data


def decode_files(data: bytes) -> list[StoredFile]:
    """Return the files of `encode_files`."""
    with pa.ipc.open_stream(data) as reader:
        return to_stored_files(reader.read_all())
