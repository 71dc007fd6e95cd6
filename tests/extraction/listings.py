"""Small listings of images, and their files."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from faceml.extraction.file_lists import FileList, ShardFileList
from faceml.tables.image_listing import LISTING_SCHEMA
from faceml.tables.row_groups import write_row_groups


def listing(files: Iterable[tuple[str, int, int]]) -> pa.Table:
    rows = [dict(zip(LISTING_SCHEMA.names, file, strict=True)) for file in sorted(files)]
    return pa.Table.from_pylist(rows, LISTING_SCHEMA)


def of(names: str, modified_ns: int = 1) -> list[tuple[str, int, int]]:
    return [(f"0/{name}.jpg", 10, modified_ns) for name in names]


def ids(files: pa.Table) -> str:
    return "".join(image_id[2] for image_id in files["image_id"].to_pylist())


def names_of(shards: ShardFileList) -> list[str]:
    return [shard.name.removesuffix(".parquet") for shard in shards.shards()]


def stored(files: Iterable[tuple[str, int, int]], folder: Path) -> FileList:
    """Write a listing to a file."""
    rows = listing(files)
    write_row_groups(folder / "listing.parquet", LISTING_SCHEMA, [rows])
    return FileList(folder / "listing.parquet", rows.num_rows, sum(rows["file_bytes"].to_pylist()))
