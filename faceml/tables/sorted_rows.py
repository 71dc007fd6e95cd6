"""Rows of a whole landmark table, sorted by their images."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from faceml.storage import collect_batches
from faceml.tables.face_rows import key_columns, sorted_by_face
from faceml.tables.landmark_table import table_columns
from faceml.tables.queries import ROWS_OF_BATCH, open_database
from faceml.tables.table_scan import TableScan

SORTED_IN_MEMORY_ROWS = 200_000
"""Largest number of rows that are sorted in memory, which takes several times their size."""


def read_table(place: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a landmark table, sorted by `image_id`, and the faces of an image by `face`.

    The rows of a large table are sorted by a database and mapped into memory from a temporary file, see
    `collect_batches`.

    Args:
        place: Folder of the table, a path or URI.
        columns: Names of the columns; all by default. `image_id` is always read, and so is `face` if the
            table has one row per face. `mesh_33` is x and y of vertex 33 of the column `mesh`, which is large
            and not kept in memory for that.

    Raises:
        ConfigError: The folder has no table, the version is incompatible, or a column is missing.
        StoppedError: Neither memory nor the folder of temporary files has space for a large table.
    """
    has = table_columns(place)
    scan = TableScan(place, has if columns is None else [*key_columns(has), *columns])
    if scan.num_rows <= SORTED_IN_MEMORY_ROWS:
        return sorted_by_face(pa.Table.from_batches(scan.batches(), scan.schema))
    with open_database({"rows": scan}) as database:
        keys = ", ".join(key_columns(has))
        found = database.sql(f"select * from rows order by {keys}").to_arrow_reader(ROWS_OF_BATCH)
        return collect_batches(scan.schema, (batch.cast(scan.schema) for batch in found))
