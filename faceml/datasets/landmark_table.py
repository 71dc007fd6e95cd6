"""Reading and writing landmark tables: a folder of Parquet shards, each written whole or not at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from faceml.atomic import AtomicPath
from faceml.config.base import ConfigError
from faceml.schema import read_metadata


def write_shard(rows: Sequence[dict[str, Any]], schema: pa.Schema, path: Path) -> None:
    """Write rows as one Parquet file, whole or not at all.

    Args:
        rows: One dict for each image; a missing column is null.
        schema: From `landmark_schema`.
        path: The file; its folder is made.
    """
    with AtomicPath(path) as partial:
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), partial, compression="zstd")


def shard_files(folder: Path) -> list[Path]:
    """List a table's Parquet files in name order, without partial ones."""
    return sorted(file for file in folder.glob("*.parquet") if not file.name.startswith("."))


def read_table(folder: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a landmark table, sorted by `image_id`.

    Args:
        folder: The table's folder.
        columns: Names to read; all by default. `image_id` is always among them.

    Raises:
        ConfigError: The folder holds no table, a table of another faceml, or lacks a column.
    """
    files = shard_files(folder)
    if not files:
        raise ConfigError(f"{folder}: no Parquet files. Make the table with `faceml extract`.")
    for file in files:
        schema = pq.read_schema(file)
        read_metadata(schema, str(file))
    wanted = None if columns is None else list(dict.fromkeys(["image_id", *columns]))
    missing = [name for name in wanted or () if name not in schema.names]
    if missing:
        raise ConfigError(
            f"{folder}: the table has no column {', '.join(missing)} (it has {', '.join(schema.names)})."
        )
    return pq.read_table(files, columns=wanted, schema=schema).sort_by("image_id")
