"""Images of a table with the sizes and times of their files, stored beside the manifest."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from faceml.errors import catch_errors
from faceml.storage import StorageFolder, StoredFile, map_concurrently, put_file
from faceml.tables.face_rows import first_rows, key_columns
from faceml.tables.image_listing import LISTING_SCHEMA
from faceml.tables.manifest import (
    MANIFEST_FILE,
    SHARD_SUFFIX,
    Shard,
    check_shards,
    describe_shard,
    encode_manifest,
    open_shard,
    read_described,
    shards_digest,
    share_schemas,
)
from faceml.tables.row_groups import read_row_groups, write_row_groups

IMAGES_FILE = ".images.pq"
"""Images of all shards. It belongs to the manifest whose digest its metadata contain."""
SHARD_FIELD = pa.field("shard", pa.string())
IMAGES_SCHEMA = LISTING_SCHEMA.append(SHARD_FIELD)
DIGEST_KEY = b"faceml.manifest"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TableImages:
    """Images of a table at one time.

    Attributes:
        shards: The shards, sorted by name, without those of `planned`.
        parts: Local Parquet files with the images and their shard, those of a shard adjacent.
        is_stored: Whether the manifest and its images say the same.
    """

    shards: list[Shard]
    parts: list[Path]
    is_stored: bool


def collect_images(
    folder: StorageFolder, files: Sequence[StoredFile], scratch: Path, planned: Sequence[str] = ()
) -> TableImages:
    """Collect the images of a table, from its manifest where it describes the shards as they are.

    Args:
        folder: Folder of the table.
        files: Its shards.
        scratch: Existing local folder for files of the images.
        planned: Shards whose images are known from elsewhere. They are not read if the manifest does not
            describe them.

    Raises:
        ConfigError: A shard is not one of a table that this version of faceml reads.
    """
    described = read_described(folder) if files else []
    current = {file.path: file for file in files}
    known = {shard.name: shard for shard in described if current.get(shard.name) == shard.file}
    kept = scratch / "kept.parquet"
    if known and not _copy_stored_images(folder, kept, shards_digest(described), known):
        known = {}
    others = set(planned)
    missing = [file for file in files if file.path not in known and file.path not in others]
    found = list[Shard]()
    parts = [kept] if known else []
    if missing:
        parts.append(scratch / "read.parquet")
        write_row_groups(parts[-1], IMAGES_SCHEMA, _read_images(folder, missing, found))
    shards = sorted(share_schemas([*known.values(), *found]), key=lambda shard: shard.name)
    check_shards(folder, shards)
    is_stored = len(known) == len(described) and not missing and len(shards) == len(files)
    return TableImages(shards, parts, is_stored)


def store_manifest(folder: StorageFolder, images: TableImages) -> None:
    """Write the manifest of a table and the images that belong to it.

    A reader that comes in between finds a manifest without its images.
    """
    digest = shards_digest(images.shards)
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "images.parquet"
        schema = IMAGES_SCHEMA.with_metadata({DIGEST_KEY: digest.encode()})
        write_row_groups(file, schema, (table for part in images.parts for table in read_row_groups(part)))
        put_file(file, folder, IMAGES_FILE)
    folder.write(MANIFEST_FILE, encode_manifest(images.shards))


def update_manifest(folder: StorageFolder) -> None:
    """Write the manifest of a table anew, unless it is that of the current shards."""
    with TemporaryDirectory() as scratch:
        images = collect_images(folder, folder.listed_files(SHARD_SUFFIX), Path(scratch))
        if images.shards and not images.is_stored:
            store_manifest(folder, images)


def delete_manifest(folder: StorageFolder) -> None:
    """Delete the manifest of a table, and the names of its images with it."""
    folder.delete(MANIFEST_FILE)
    folder.delete(IMAGES_FILE)


def read_shard_images(folder: StorageFolder, file: StoredFile) -> tuple[Shard, pa.Table]:
    """Read a shard's images, each once, with the columns of `IMAGES_SCHEMA`."""
    with open_shard(folder, file) as opened:
        shard = describe_shard(file, opened)
        check_shards(folder, [shard])
        rows = first_rows(opened.read([*key_columns(shard.schema.names), "file_bytes", "modified_ns"]))
    rows = rows.select(LISTING_SCHEMA.names).replace_schema_metadata(None).cast(LISTING_SCHEMA)
    return shard, rows.append_column(SHARD_FIELD, pa.repeat(file.path, rows.num_rows))


def _read_images(
    folder: StorageFolder, files: Iterable[StoredFile], found: list[Shard]
) -> Iterator[pa.Table]:
    """Yield the images of shards, and append the shards to `found`."""
    for shard, rows in map_concurrently(lambda file: read_shard_images(folder, file), files, folder.threads):
        found.append(shard)
        yield rows


def _copy_stored_images(folder: StorageFolder, copy: Path, digest: str, known: dict[str, Shard]) -> bool:
    """Copy the stored images of known shards into a local file; return whether they could be used."""
    if not folder.has(IMAGES_FILE):
        return False
    stored = Path(f"{folder.path}/{IMAGES_FILE}")
    if not folder.is_local:
        stored = copy.with_suffix(".stored")
        source = f"{folder.path}/{IMAGES_FILE}"
        pafs.copy_files(source, str(stored), folder.filesystem, pafs.LocalFileSystem())
    names = pa.array(known, pa.string())
    with catch_errors(pa.ArrowException, OSError) as damage:
        if (pq.read_schema(stored).metadata or {}).get(DIGEST_KEY) != digest.encode():
            return False
        tables = (rows.filter(pc.is_in(rows["shard"], value_set=names)) for rows in read_row_groups(stored))
        write_row_groups(copy, IMAGES_SCHEMA, tables)
    if damage.error is not None:
        logger.info("%s/%s is damaged and not used: %s", folder.uri, IMAGES_FILE, damage.message)
    return damage.error is None
