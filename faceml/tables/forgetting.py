"""Taking a person out of tables of landmarks and of predictions, wherever their images are in them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faceml.config import ConfigError
from faceml.storage import StorageFolder
from faceml.tables.image_copies import remove_copies
from faceml.tables.landmark_table import read_shard_schema, shard_names
from faceml.tables.plan import PLAN_FILE

COLUMNS = ["image_id", "folder", "content_sha256"]


class Forgotten(NamedTuple):
    """What was taken out of a table.

    Attributes:
        table: Its place.
        images: `image_id` of each row, in order.
        copies: Files of the cache that were removed.
    """

    table: str
    images: list[str]
    copies: list[Path]


def forget_person(
    person: str, tables: Sequence[str], cache: Path | None = None, *, dry_run: bool = False
) -> list[Forgotten]:
    """Remove a person's rows from tables, and the copies that were laid out of those tables.

    Theirs are the images of the folder that bears the name, and every other image with the same content as
    one of those, in any of the tables: the same photo under another name.

    Args:
        person: Name of the folder, the column `folder`.
        tables: Of landmarks or of predictions, paths or URIs.
        cache: Folder of the copies; the user's cache by default.
        dry_run: Only say what would be removed.

    Raises:
        ConfigError: A place has no table, an extraction into it is unfinished, or nobody has that name.
    """
    folders = [StorageFolder(table) for table in tables]
    for folder in folders:
        if not shard_names(folder):
            raise ConfigError(
                f"--table {folder.uri}: no Parquet files. Name the table of a `faceml extract`."
            )
        if folder.has(PLAN_FILE):
            raise ConfigError(
                f"--table {folder.uri}: an extraction into it is unfinished. Run it to its end first, or "
                f"remove {PLAN_FILE} there."
            )
    digests = pa.chunked_array(
        [
            chunk
            for folder in folders
            for _, rows in _shards(folder)
            for chunk in rows["content_sha256"].filter(_is_named(rows, person)).chunks
        ],
        pa.binary(32),
    ).drop_null()
    forgotten = [_forget(folder, person, digests, cache, dry_run) for folder in folders]
    if not any(each.images for each in forgotten):
        raise ConfigError(f"{person}: is the folder of no image in {', '.join(tables)}.")
    return forgotten


def _forget(
    folder: StorageFolder, person: str, digests: pa.ChunkedArray, cache: Path | None, dry_run: bool
) -> Forgotten:
    images: list[str] = []
    for name, rows in _shards(folder):
        theirs = pc.or_(_is_named(rows, person), pc.is_in(rows["content_sha256"], value_set=digests))
        found = rows["image_id"].filter(theirs).to_pylist()
        images += found
        if found and not dry_run:
            _keep(folder, name, pc.invert(theirs))
    copies = remove_copies(folder, cache, dry_run=dry_run) if images else []
    return Forgotten(folder.uri, sorted(images), copies)


def _keep(folder: StorageFolder, name: str, kept: pa.ChunkedArray) -> None:
    """Write a shard anew with these rows, or delete it if there are none."""
    rows = pq.ParquetFile(f"{folder.path}/{name}", filesystem=folder.filesystem).read().filter(kept)
    if not rows.num_rows:
        folder.delete(name)
        return
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    folder.write(name, sink.getvalue())


def _shards(folder: StorageFolder) -> Iterator[tuple[str, pa.Table]]:
    for name in shard_names(folder):
        read_shard_schema(folder, name)
        yield name, pq.read_table(f"{folder.path}/{name}", columns=COLUMNS, filesystem=folder.filesystem)


def _is_named(rows: pa.Table, person: str) -> pa.ChunkedArray:
    return pc.equal(rows["folder"], person)
