"""Landmark tables: folders of Parquet shards, each written atomically."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faceml.config import ConfigError
from faceml.storage import StorageFolder
from faceml.tables.landmark_sets import MESH_COLUMNS
from faceml.tables.manifest import SHARD_SUFFIX, Shard, read_shards
from faceml.tables.schema import read_metadata

READERS = {True: 2, False: 16}
"""Shards read at the same time from a local folder, and from a store, whose answers take time."""


def write_shard(rows: Sequence[dict[str, Any]], schema: pa.Schema, path: Path) -> None:
    """Write rows as one local Parquet file, atomically.

    Args:
        rows: One dict for each row; a missing column is null.
        schema: Schema of `landmark_schema`.
        path: Path of the file; its folder is created.
    """
    put_shard(rows, schema, StorageFolder(path.parent), path.name)


def put_shard(rows: Sequence[dict[str, Any]], schema: pa.Schema, folder: StorageFolder, name: str) -> None:
    """Write rows as one Parquet file in a table's folder, local or in a store, atomically."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), sink, compression="zstd")
    folder.write(name, sink.getvalue())


def shard_names(folder: StorageFolder) -> list[str]:
    """Return the names of a table's Parquet files, sorted, without partial ones."""
    return folder.files(SHARD_SUFFIX)


def read_shard_schema(folder: StorageFolder, name: str) -> pa.Schema:
    """Return the schema of a shard after checking its metadata.

    Raises:
        ConfigError: It is not a shard of a table that this version of faceml reads.
    """
    schema = pq.read_schema(f"{folder.path}/{name}", filesystem=folder.filesystem)
    read_metadata(schema, f"{folder.uri}/{name}")
    return schema


def table_metadata_of(place: str | Path) -> dict[str, str]:
    """Return the metadata of a table, see `faceml.tables.schema.table_metadata`.

    Raises:
        ConfigError: The folder has no table, or a table of an incompatible version.
    """
    folder, shards = open_table(place)
    return read_metadata(shards[0].schema, folder.uri)


def table_columns(place: str | Path) -> list[str]:
    """Return the names of a table's columns.

    Raises:
        ConfigError: The folder has no table, or a table of an incompatible version.
    """
    _, shards = open_table(place)
    columns: list[str] = shards[0].schema.names
    return columns


def folder_columns(place: str | Path) -> list[str]:
    """Return the columns that name the folder of an image: `folder`, and `source` if there are several.

    Raises:
        ConfigError: The folder has no table, or a table of an incompatible version.
    """
    return [name for name in ("source", "folder") if name in table_columns(place)]


def qualified_folders(rows: pa.Table) -> pa.ChunkedArray:
    """Return the folder of each row, `source/folder` if the rows have the column `source`."""
    if "source" not in rows.column_names:
        return rows["folder"]
    return pc.binary_join_element_wise(rows["source"], rows["folder"], "/")


def require_columns(columns: Sequence[str], schema: pa.Schema, folder: StorageFolder) -> None:
    """Check that a table has all columns.

    Raises:
        ConfigError: A column is missing.
    """
    vertices = [name for name in columns if name in MESH_COLUMNS]
    if vertices and "mesh" not in schema.names:
        raise ConfigError(
            f"{folder.uri}: the table has no column mesh, of which {vertices[0]} is a part. "
            "Extract into a new table with output.store_mesh: true."
        )
    missing = [name for name in columns if name not in {*schema.names, *MESH_COLUMNS}]
    if missing:
        raise ConfigError(
            f"{folder.uri}: the table has no column {', '.join(missing)} (it has {', '.join(schema.names)}). "
            "Columns of your own come from a label table: set `labels` beside `table`."
        )


def open_table(place: str | Path) -> tuple[StorageFolder, list[Shard]]:
    """Return the folder of a table and its shards, at least one.

    Raises:
        ConfigError: The folder has no table, or a table of an incompatible version.
    """
    folder = StorageFolder(place)
    shards = read_shards(folder)
    if not shards:
        raise ConfigError(f"{folder.uri}: no Parquet files. Create the table with `faceml extract`.")
    return folder, shards
