"""Reading and writing landmark tables: a folder of Parquet shards, each written whole or not at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from faceml.config import ConfigError
from faceml.storage import StorageFolder
from faceml.tables.schema import read_metadata

SHARD_SUFFIX = ".parquet"


def write_shard(rows: Sequence[dict[str, Any]], schema: pa.Schema, path: Path) -> None:
    """Write rows as one Parquet file of this machine, whole or not at all.

    Args:
        rows: One dict for each image; a missing column is null.
        schema: From `landmark_schema`.
        path: The file; its folder is made.
    """
    put_shard(rows, schema, StorageFolder(path.parent), path.name)


def put_shard(rows: Sequence[dict[str, Any]], schema: pa.Schema, folder: StorageFolder, name: str) -> None:
    """Write rows as one Parquet file in a table's folder, wherever that is, whole or not at all."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), sink, compression="zstd")
    folder.write(name, sink.getvalue())


def shard_names(folder: StorageFolder) -> list[str]:
    """List a table's Parquet files in name order, without partial ones."""
    return folder.files(SHARD_SUFFIX)


def read_shard_schema(folder: StorageFolder, name: str) -> pa.Schema:
    """Return the schema of a shard after checking its metadata.

    Raises:
        ConfigError: It is no part of a landmark table that this version of faceml reads.
    """
    schema = pq.read_schema(f"{folder.path}/{name}", filesystem=folder.filesystem)
    read_metadata(schema, f"{folder.uri}/{name}")
    return schema


def table_metadata_of(place: str | Path) -> dict[str, str]:
    """Return what a table says of itself, see `faceml.tables.schema.table_metadata`.

    Raises:
        ConfigError: The folder holds no table, or a table of another faceml.
    """
    folder, names = _open_table(place)
    return read_metadata(read_shard_schema(folder, names[0]), folder.uri)


def read_table(place: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a landmark table, sorted by `image_id`.

    Args:
        place: The table's folder, a path or URI.
        columns: Names to read; all by default. `image_id` is always among them.

    Raises:
        ConfigError: The folder holds no table, a table of another faceml, or lacks a column.
    """
    folder, names = _open_table(place)
    for name in names:
        schema = read_shard_schema(folder, name)
    wanted = None if columns is None else list(dict.fromkeys(["image_id", *columns]))
    refuse_missing(wanted or (), schema, folder)
    files = [f"{folder.path}/{name}" for name in names]
    return pq.read_table(files, columns=wanted, schema=schema, filesystem=folder.filesystem).sort_by(
        "image_id"
    )


def refuse_missing(columns: Sequence[str], schema: pa.Schema, folder: StorageFolder) -> None:
    """Refuse a table that lacks columns.

    Raises:
        ConfigError: Names them, and those that it has.
    """
    missing = [name for name in columns if name not in schema.names]
    if missing:
        raise ConfigError(
            f"{folder.uri}: the table has no column {', '.join(missing)} (it has {', '.join(schema.names)})."
        )


def _open_table(place: str | Path) -> tuple[StorageFolder, list[str]]:
    folder = StorageFolder(place)
    names = shard_names(folder)
    if not names:
        raise ConfigError(f"{folder.uri}: no Parquet files. Make the table with `faceml extract`.")
    return folder, names
