"""Parquet files of this machine that are written and read in parts, so that memory stays bounded."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_GROUP = 100_000


def write_row_groups(file: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables of any size one after the other, in row groups of about `ROWS_PER_GROUP` rows.

    Args:
        file: Path of the file.
        schema: Schema of the file.
        tables: Tables with the columns of `schema`.

    Returns:
        Number of rows.
    """
    total, waiting, num_waiting = 0, list[pa.Table](), 0
    with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
        for table in tables:
            waiting.append(table.select(schema.names).cast(schema))
            num_waiting += table.num_rows
            if num_waiting >= ROWS_PER_GROUP:
                writer.write_table(pa.concat_tables(waiting), row_group_size=num_waiting)
                total, waiting, num_waiting = total + num_waiting, [], 0
        if num_waiting:
            writer.write_table(pa.concat_tables(waiting), row_group_size=num_waiting)
    return total + num_waiting


def read_row_groups(file: Path) -> Iterator[pa.Table]:
    """Read a file in parts of at most `ROWS_PER_GROUP` rows, with its checksums."""
    with pq.ParquetFile(file, page_checksum_verification=True) as opened:
        for batch in opened.iter_batches(ROWS_PER_GROUP):
            yield pa.Table.from_batches([batch])
