"""Databases for queries over tables that are larger than memory: DuckDB, with bounded memory."""

import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import NamedTuple

import duckdb
import pyarrow as pa

from faceml.config import QueriesConfig
from faceml.errors import StoppedError, translate_errors
from faceml.storage import make_folder
from faceml.tables.face_rows import FACE
from faceml.tables.table_scan import TableScan

Connection = duckdb.DuckDBPyConnection
QueryError = duckdb.Error
OutOfMemory = duckdb.OutOfMemoryException

MOST_THREADS = 4  # each takes a share of the memory
ROWS_OF_BATCH = 1 << 16
"""Number of rows of a batch of a result that is read in batches."""


class QueryLimits(NamedTuple):
    """Limits of the memory of queries.

    Attributes:
        memory_gib: Largest size of the database's buffers, GiB. What exceeds it is moved to temporary files.
        spill_folder: Folder of the temporary files; None is the one of the operating system. They lie in a
            folder of their own in it, which is removed afterwards.
    """

    memory_gib: float = 1.0
    spill_folder: Path | None = None


DEFAULT_LIMITS = QueryLimits()


def build_limits(config: QueriesConfig) -> QueryLimits:
    """Build the limits of memory of a job's queries."""
    return QueryLimits(config.memory_gib, config.spill_folder)


@contextmanager
def temporary_folder(place: Path | None) -> Iterator[Path]:
    """Make a folder for temporary files and remove it afterwards.

    Args:
        place: Folder in which it lies; None is the one of the operating system.
    """
    if place is not None:
        make_folder(place)
    with TemporaryDirectory(prefix="faceml-", dir=place) as folder:
        yield Path(folder)


@contextmanager
def open_database(
    scans: Mapping[str, TableScan] = MappingProxyType({}), limits: QueryLimits = DEFAULT_LIMITS
) -> Iterator[Connection]:
    """Open an empty database for queries over landmark tables.

    Rows of a result have no particular order unless the query orders them. A result that is read in batches,
    by `to_arrow_reader`, must be read to its end before the next query.

    Args:
        scans: The tables, by the names that they have in queries.
        limits: Limits of memory.

    Raises:
        StoppedError: Neither memory nor the folder of the temporary files has space left.
        ConfigError: A shard cannot be used; see `TableScan`.
        QueryError: A query is wrong.
    """
    with (
        temporary_folder(limits.spill_folder) as folder,
        translate_errors(duckdb.Error, lambda error: _translate(error, scans, folder.parent)),
        duckdb.connect(
            config={
                "memory_limit": f"{round(limits.memory_gib * 1024)}MiB",
                "temp_directory": f"{folder}/duckdb",
                "threads": min(MOST_THREADS, os.cpu_count() or 1),
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,  # nothing is downloaded
            }
        ) as connection,
    ):
        for name, scan in scans.items():
            connection.register(name, scan)
        yield connection


def load_table(database: Connection, name: str, rows: TableScan | pa.Table, query: str) -> None:
    """Create or replace a table of the database with the result of a query over rows.

    Args:
        database: Database of `open_database`.
        name: Name of the new table.
        rows: Rows that the query reads, from the table `rows`.
        query: Query in SQL.

    Raises:
        ConfigError: A shard cannot be used; see `TableScan`.
    """
    with translate_errors(duckdb.Error, lambda _: rows.error if isinstance(rows, TableScan) else None):
        database.register("rows", rows)
        database.execute(f"create or replace table {name} as {query}")
        database.unregister("rows")


def first_row(columns: Iterable[str]) -> str:
    """Return the SQL condition of the first row of each image.

    Args:
        columns: Columns of the rows, with `face` if they are of all faces.
    """
    return f"coalesce({FACE}, 0) = 0" if FACE in columns else "true"


def reason_of(error: QueryError) -> str:
    """Return the reason of an error of a query in one line."""
    # After the reason, DuckDB lists options of its own.
    return textwrap.shorten(str(error).partition("\nPossible ")[0], 300)


def _translate(error: QueryError, scans: Mapping[str, TableScan], folder: Path) -> BaseException | None:
    failed = [scan.error for scan in scans.values() if scan.error is not None]
    if failed:  # of which the database has the text alone
        return failed[0]
    if isinstance(error, OutOfMemory):
        return StoppedError(
            f"{folder}: no space left for temporary files of a query over a table ({reason_of(error)}). Set "
            "TMPDIR to a folder with more space; for `faceml extract`, set queries.spill_folder or raise "
            "queries.memory_gib."
        )
    return None
