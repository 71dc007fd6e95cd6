"""Reading, writing and export of landmark tables: folders of Parquet shards, each written atomically."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq

from faceml.config import ConfigError
from faceml.storage import Places, StorageFolder, map_concurrently, place_below, split_place
from faceml.tables.face_rows import FACE, key_columns, sorted_by_face
from faceml.tables.landmark_sets import MESH_COLUMNS
from faceml.tables.manifest import SHARD_SUFFIX, Shard, read_shards, shard_fragment
from faceml.tables.schema import landmark_column, read_metadata

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


def read_table(place: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a landmark table, sorted by `image_id`, and the faces of an image by `face`.

    Args:
        place: Folder of the table, a path or URI.
        columns: Names of the columns; all by default. `image_id` is always read, and so is `face` if the
            table has one row per face. `mesh_33` is x and y of vertex 33 of the column `mesh`, which is large
            and not kept in memory for that.

    Raises:
        ConfigError: The folder has no table, the version is incompatible, or a column is missing.
    """
    folder, shards = open_table(place)
    schema = shards[-1].schema
    wanted = schema.names if columns is None else [*key_columns(schema.names), *columns]
    require_columns([name for name in wanted if name not in MESH_COLUMNS], schema, folder)
    vertices = [name for name in wanted if name in MESH_COLUMNS]
    if vertices and "mesh" not in schema.names:
        raise ConfigError(
            f"{folder.uri}: the table has no column mesh, of which {vertices[0]} is a part. "
            "Extract into a new table with output.store_mesh: true."
        )
    values = {name: _values(name) for name in wanted}

    def read(shard: Shard) -> pa.Table:
        # A data set of all shards would keep their footers, 100 KiB each, until the last one is read.
        fragment = shard_fragment(folder, shard.file)
        return fragment.to_table(schema=schema, columns=values, use_threads=False)

    return sorted_by_face(pa.concat_tables(map_concurrently(read, shards, READERS[folder.is_local])))


def _values(column: str) -> pc.Expression:
    """Return the values of a column, or x and y of a vertex of the mesh, computed as the table is read."""
    if column not in MESH_COLUMNS:
        return pc.field(column)
    first = 3 * MESH_COLUMNS[column]
    return pc.list_slice(pc.field("mesh"), first, first + 2, return_fixed_size_list=True)


def export_json(table: str | Path, file: str | Path, num_landmarks: int, images: Places | None = None) -> int:
    """Write `{image_path: [[x1, y1], …]}` of all images with landmarks; coordinates are normalised.

    Of a table with one row per face, an image has a list of its faces: `{image_path: [[[x1, y1], …], …]}`.

    Args:
        table: Landmark table, a path or URI.
        file: JSON file, a path or URI; written atomically.
        num_landmarks: 5 or 10.
        images: Folder put before each image's path, or folders by the names of their sources; by default
            the names of images are written as they are in the table.

    Returns:
        Number of images written.
    """
    column = landmark_column(num_landmarks)
    rows = read_table(table, [column])
    faces = dict[str, list[list[list[float]]]]()
    for image_id, points in zip(rows["image_id"].to_pylist(), rows[column].to_pylist(), strict=True):
        if points is not None:
            pairs = [[round(x, 6), round(y, 6)] for x, y in zip(points[::2], points[1::2], strict=True)]
            faces.setdefault(_place_of(image_id, images), []).append(pairs)
    has_all = FACE in rows.column_names
    landmarks = {place: found if has_all else found[0] for place, found in faces.items()}
    folder, name = split_place(file)
    text = json.dumps(landmarks, indent=1, ensure_ascii=False) + "\n"
    StorageFolder(folder).write(name, text.encode())
    return len(landmarks)


def _place_of(image_id: str, images: Places | None) -> str:
    if isinstance(images, Mapping):
        source, _, path = image_id.partition("/")
        return place_below(images[source], path) if source in images else image_id
    return place_below(images, image_id) if images else image_id


def require_columns(columns: Sequence[str], schema: pa.Schema, folder: StorageFolder) -> None:
    """Check that a table has all columns.

    Raises:
        ConfigError: A column is missing.
    """
    missing = [name for name in columns if name not in schema.names]
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
