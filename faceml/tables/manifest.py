"""Manifest of a table: the names, sizes and schemas of its shards in one file beside them.

With it, a table of any number of shards is opened by listing its folder and reading one file. The manifest
counts only for shards whose size and time of change are those of the listing. The footers of all others are
read, so that a manifest that is missing, outdated, damaged or of another copy of the table does no harm.
"""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from faceml.errors import catch_errors
from faceml.storage import StorageFolder, StoredFile, map_concurrently
from faceml.tables.schema import read_metadata

if TYPE_CHECKING:
    from pyarrow.dataset import ParquetFileFragment

SHARD_SUFFIX = ".parquet"
MANIFEST_FILE = ".manifest.pq"
"""Name of the manifest. `*.parquet` would match it in DuckDB and pathlib, hidden or not."""
PLAN_FILE = ".plan.parquet"
"""Name of the plan of an extraction, which is in the table's folder until the extraction is complete."""
MANIFEST_SCHEMA = pa.schema(
    [
        ("shard", pa.string()),
        ("num_bytes", pa.int64()),
        ("modified_ns", pa.int64()),
        ("num_rows", pa.int64()),
        ("schema", pa.dictionary(pa.int32(), pa.binary())),
    ]
)
MANY_FOOTERS = 1000

logger = logging.getLogger(__name__)


class Shard(NamedTuple):
    """A shard of a table.

    Attributes:
        file: Name, size and time of change.
        num_rows: Number of rows.
        schema: Arrow schema, whose metadata contain the settings of the extraction.
    """

    file: StoredFile
    num_rows: int
    schema: pa.Schema

    @property
    def name(self) -> str:
        """File name."""
        return self.file.path


def read_shards(folder: StorageFolder) -> list[Shard]:
    """Return the shards of a table, sorted by name, after checking their metadata.

    Raises:
        ConfigError: A shard is not one of a table that this version of faceml reads.
    """
    files = folder.listed_files(SHARD_SUFFIX)
    known = read_manifest(folder, files)
    missing = tuple(file for file in files if file.path not in known)
    known |= {shard.name: shard for shard in _read_footers(folder.uri, missing)}
    shards = [known[file.path] for file in files]
    check_shards(folder, shards)
    return shards


def check_shards(folder: StorageFolder, shards: Iterable[Shard]) -> None:
    """Check the metadata of shards, once for each schema.

    Raises:
        ConfigError: A shard is not one of a table that this version of faceml reads.
    """
    for shard in distinct_schemas(shards):
        read_metadata(shard.schema, f"{folder.uri}/{shard.name}")


def distinct_schemas(shards: Iterable[Shard]) -> list[Shard]:
    """Return the first shard with each schema."""
    first: dict[int, Shard] = {}
    for shard in shards:
        first.setdefault(id(shard.schema), shard)  # equal schemas are mostly one object
    return list(first.values())


def read_manifest(folder: StorageFolder, files: Sequence[StoredFile]) -> dict[str, Shard]:
    """Return the shards that the manifest describes as they are.

    Args:
        folder: Folder of the table.
        files: Current shards.

    Returns:
        Shards by name; those that are missing or differ in the manifest are left out.
    """
    current = {file.path: file for file in files}
    described = read_described(folder) if files else []
    return {shard.name: shard for shard in described if current.get(shard.name) == shard.file}


def read_described(folder: StorageFolder) -> list[Shard]:
    """Return the shards that the manifest describes, whether or not they are there."""
    data = folder.read(MANIFEST_FILE)
    if not isinstance(data, bytes):
        return []
    shards: list[Shard] = []
    with catch_errors(pa.ArrowException, OSError) as damage:
        shards = _decode(data)
    if damage.error is not None:
        logger.info("%s/%s is damaged and not used: %s", folder.uri, MANIFEST_FILE, damage.message)
    return shards


def encode_manifest(shards: Sequence[Shard]) -> pa.Buffer:
    """Return the content of the manifest of shards."""
    positions: dict[int, int] = {}
    indices = [positions.setdefault(id(shard.schema), len(positions)) for shard in shards]
    schemas = [shard.schema.serialize().to_pybytes() for shard in distinct_schemas(shards)]
    columns = [
        pa.array([shard.name for shard in shards], pa.string()),
        pa.array([shard.file.num_bytes for shard in shards], pa.int64()),
        pa.array([shard.file.modified_ns for shard in shards], pa.int64()),
        pa.array([shard.num_rows for shard in shards], pa.int64()),
        pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(schemas, pa.binary())),
    ]
    sink = pa.BufferOutputStream()
    table = pa.Table.from_arrays(columns, schema=MANIFEST_SCHEMA)
    pq.write_table(
        table, sink, compression="zstd", row_group_size=max(1, len(shards)), write_page_checksum=True
    )
    return sink.getvalue()


def shards_digest(shards: Iterable[Shard]) -> str:
    """Return a digest of the names, sizes and times of change of shards."""
    return hashlib.sha256(repr([tuple(shard.file) for shard in shards]).encode()).hexdigest()


def shard_fragment(folder: StorageFolder, file: StoredFile) -> "ParquetFileFragment":
    """Return a shard as part of a data set; a store is not asked for the size again."""
    from pyarrow.dataset import ParquetFileFormat  # late: it imports pandas

    return ParquetFileFormat().make_fragment(
        f"{folder.path}/{file.path}",
        filesystem=folder.filesystem,
        file_size=None if folder.is_local else file.num_bytes,
    )


def open_shard(folder: StorageFolder, file: StoredFile) -> pq.ParquetFile:
    """Open a shard."""
    return pq.ParquetFile(shard_fragment(folder, file).open(), pre_buffer=True)


def describe_shard(file: StoredFile, opened: pq.ParquetFile) -> Shard:
    """Return an open shard."""
    return Shard(file, opened.metadata.num_rows, opened.schema_arrow)


def share_schemas(shards: Iterable[Shard]) -> list[Shard]:
    """Return shards of which equal schemas are one object."""
    schemas: dict[bytes, pa.Schema] = {}
    return [
        shard._replace(schema=schemas.setdefault(shard.schema.serialize().to_pybytes(), shard.schema))
        for shard in shards
    ]


@lru_cache(maxsize=4)
def _read_footers(uri: str, files: tuple[StoredFile, ...]) -> list[Shard]:
    """Read the footers of shards concurrently; once if the same process opens the table again."""
    folder = StorageFolder(uri)
    if len(files) >= MANY_FOOTERS:
        logger.info("%s: reading %d shards that its manifest does not have", uri, len(files))

    def read(file: StoredFile) -> Shard:
        with open_shard(folder, file) as opened:
            return describe_shard(file, opened)

    return share_schemas(map_concurrently(read, files, folder.threads))


def _decode(data: bytes) -> list[Shard]:
    """Return the shards of a manifest; none if it has other columns than this version writes."""
    table = pq.read_table(pa.BufferReader(data), page_checksum_verification=True)
    if not table.schema.equals(MANIFEST_SCHEMA):
        return []
    column = table["schema"].unify_dictionaries().combine_chunks()
    schemas = [pa.ipc.read_schema(pa.py_buffer(schema)) for schema in column.dictionary.to_pylist()]
    names, sizes, times, rows = (table[name].to_pylist() for name in MANIFEST_SCHEMA.names[:-1])
    return [
        Shard(StoredFile(*file), num_rows, schemas[index])
        for *file, num_rows, index in zip(names, sizes, times, rows, column.indices.to_pylist(), strict=True)
    ]
