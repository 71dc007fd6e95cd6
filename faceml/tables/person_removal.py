"""Removal of a person's images from tables of landmarks and of predictions."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faceml.config import ConfigError
from faceml.storage import StorageFolder, canonical_place, map_concurrently
from faceml.tables.landmark_table import qualified_folders
from faceml.tables.manifest import PLAN_FILE, SHARD_SUFFIX, Shard, open_shard, read_shards
from faceml.tables.table_cache import remove_cached_files
from faceml.tables.table_images import delete_manifest, update_manifest

COLUMNS = ["image_id", "source", "folder", "content_sha256"]


class RemovedRows(NamedTuple):
    """Rows removed from a table.

    Attributes:
        table: Location of the table.
        images: `image_id` of each image whose rows were removed, sorted.
        copies: Removed files of the caches, see `remove_cached_files`.
    """

    table: str
    images: list[str]
    copies: list[Path]


def forget_person(
    person: str,
    tables: Sequence[str],
    caches: Sequence[Path | None] = (None,),
    spellings: Sequence[str] = (),
    *,
    dry_run: bool = False,
) -> list[RemovedRows]:
    """Remove a person's rows from tables, and what caches have of those tables.

    The person's images are those of their folder, and every image in any of the tables whose content equals
    one of them: the same photo under another name.

    Args:
        person: Name of the person's folder, the column `folder`; `source/folder` if several sources have a
            folder of this name.
        tables: Tables of landmarks or of predictions, paths or URIs.
        caches: Caches of files made of the tables; None is the user's cache.
        spellings: Other paths and URIs by which the tables were opened, and their copies cached.
        dry_run: Return the rows that would be removed, and remove nothing.

    Raises:
        ConfigError: A table is missing or incomplete, no image is in the person's folder, or folders of
            several sources have the name.
    """
    folders = [StorageFolder(table) for table in tables]
    for folder in folders:
        if not folder.files(SHARD_SUFFIX):
            raise ConfigError(f"--table {folder.uri}: no Parquet files. Give a table of `faceml extract`.")
        if folder.has(PLAN_FILE):
            raise ConfigError(
                f"--table {folder.uri}: its extraction is incomplete. Run it to the end first, or remove "
                f"{PLAN_FILE} in the table's folder."
            )
    _refuse_several(person, folders)
    digests = pa.chunked_array(
        [
            chunk
            for folder in folders
            for _, rows in _shards(folder)
            for chunk in rows["content_sha256"].filter(_is_named(rows, person)).chunks
        ],
        pa.binary(32),
    ).drop_null()
    removed = [_remove(folder, person, digests, dry_run) for folder in folders]
    if not any(each.images for each in removed):
        raise ConfigError(f"{person}: no image in {', '.join(tables)} is in a folder of this name.")
    return [
        each._replace(copies=remove_cached_files(_same_place(each.table, spellings), caches, dry_run=dry_run))
        if each.images
        else each
        for each in removed
    ]


def _same_place(table: str, spellings: Sequence[str]) -> list[str]:
    same = [spelling for spelling in spellings if canonical_place(spelling) == canonical_place(table)]
    return [table, table.rstrip("/"), *same]


def _remove(folder: StorageFolder, person: str, digests: pa.ChunkedArray, dry_run: bool) -> RemovedRows:
    images: list[str] = []
    for name, rows in _shards(folder):
        is_removed = pc.or_(_is_named(rows, person), pc.is_in(rows["content_sha256"], value_set=digests))
        found = pc.unique(rows["image_id"].filter(is_removed)).to_pylist()
        if found and not images and not dry_run:
            delete_manifest(folder)  # first, because it has the names of the images
        images += found
        if found and not dry_run:
            _rewrite(folder, name, pc.invert(is_removed))
    if images and not dry_run:
        update_manifest(folder)
    return RemovedRows(folder.uri, sorted(images), [])


def _rewrite(folder: StorageFolder, name: str, is_kept: pa.ChunkedArray) -> None:
    """Rewrite a shard with the kept rows, or delete it if there are none."""
    rows = pq.ParquetFile(f"{folder.path}/{name}", filesystem=folder.filesystem).read().filter(is_kept)
    if not rows.num_rows:
        folder.delete(name)
        return
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    folder.write(name, sink.getvalue())


def _shards(folder: StorageFolder) -> Iterator[tuple[str, pa.Table]]:
    def read(shard: Shard) -> tuple[str, pa.Table]:
        columns = [column for column in COLUMNS if column in shard.schema.names]
        with open_shard(folder, shard.file) as opened:
            return shard.name, opened.read(columns)

    yield from map_concurrently(read, read_shards(folder), folder.threads)


def _is_named(rows: pa.Table, person: str) -> pa.ChunkedArray:
    named = pc.or_kleene(pc.equal(rows["folder"], person), pc.equal(qualified_folders(rows), person))
    return pc.fill_null(named, False)


def _refuse_several(person: str, folders: Sequence[StorageFolder]) -> None:
    """Refuse the name of folders of several sources, which may be of different people.

    Raises:
        ConfigError: There are several.
    """
    shards = (rows.filter(_is_named(rows, person)) for folder in folders for _, rows in _shards(folder))
    names = {name for rows in shards for name in pc.unique(qualified_folders(rows)).to_pylist()}
    found = sorted(names - {person})
    if len(found) > 1:
        raise ConfigError(f"{person}: is a folder of several sources. Name one person: {' or '.join(found)}.")
