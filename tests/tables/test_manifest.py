"""A table with a manifest that is missing, outdated, damaged or of another copy reads as without it."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from faceml.config.config_error import ConfigError
from faceml.storage.folder import StorageFolder
from faceml.tables import manifest
from faceml.tables.landmark_table import put_shard, table_columns, table_metadata_of
from faceml.tables.manifest import MANIFEST_FILE, Shard, encode_manifest, read_manifest, read_shards
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.sorted_rows import read_table
from faceml.tables.table_images import update_manifest
from tests.extraction.listings import of

METADATA = table_metadata({"name": "none"}, {}, "0")
SCHEMA = landmark_schema(METADATA)


def write(folder: StorageFolder, name: str, images: str, schema: Any = SCHEMA) -> None:
    rows = [
        {"image_id": image, "folder": "0", "status": "ok", "file_bytes": size, "modified_ns": time}
        for image, size, time in of(images)
    ]
    put_shard(rows, schema, folder, f"{name}.parquet")


@pytest.fixture
def table(tmp_path: Path) -> StorageFolder:
    """Return a table with three shards and their manifest."""
    folder = StorageFolder(tmp_path / "table")
    for name in ("ab", "cd", "ef"):
        write(folder, name, name)
    update_manifest(folder)
    manifest._read_footers.cache_clear()
    return folder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the shards whose footers are read for their schema."""
    names, open_shard = list[str](), manifest.open_shard

    def recorded(folder: StorageFolder, file: Any) -> pq.ParquetFile:
        names.append(file.path.removesuffix(".parquet"))
        return open_shard(folder, file)

    monkeypatch.setattr(manifest, "open_shard", recorded)
    return names


def names_of(shards: list[Shard]) -> list[str]:
    return [shard.name.removesuffix(".parquet") for shard in shards]


def test_read_shards__of_a_current_manifest_reads_no_footer(table: StorageFolder, opened: list[str]) -> None:
    shards = read_shards(table)
    assert [(shard.name, shard.num_rows) for shard in shards] == [
        ("ab.parquet", 2),
        ("cd.parquet", 2),
        ("ef.parquet", 2),
    ]
    for shard in shards:
        assert shard.schema.equals(pq.read_schema(Path(table.uri, shard.name)), check_metadata=True)
    assert table_columns(table.uri) == SCHEMA.names
    assert table_metadata_of(table.uri) == METADATA
    assert read_table(table.uri)["image_id"].to_pylist() == [name for name, *_ in of("abcdef")]
    assert opened == []


def add(folder: StorageFolder) -> None:
    write(folder, "gh", "gh")


def replace(folder: StorageFolder) -> None:
    """Replace a shard by one with the same name and size."""
    before = Path(folder.uri, "cd.parquet").stat()
    write(folder, "cd", "cx")
    after = Path(folder.uri, "cd.parquet").stat()
    assert after.st_size == before.st_size
    assert after.st_mtime_ns > before.st_mtime_ns


def replace_in_the_same_tick(folder: StorageFolder) -> None:
    """Replace a shard by a larger one with the same name and time."""
    file = Path(folder.uri, "cd.parquet")
    before = file.stat()
    write(folder, "cd", "cdxyz")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def remove(folder: StorageFolder) -> None:
    folder.delete("cd.parquet")


def truncate(folder: StorageFolder) -> None:
    data = Path(folder.uri, MANIFEST_FILE).read_bytes()
    Path(folder.uri, MANIFEST_FILE).write_bytes(data[: len(data) // 2])


def damage(folder: StorageFolder) -> None:
    """Change a byte of the names, which leaves a readable Parquet file."""
    file = Path(folder.uri, MANIFEST_FILE)
    data = bytearray(file.read_bytes())
    data[60] ^= 0xFF
    file.write_bytes(data)


def delete(folder: StorageFolder) -> None:
    folder.delete(MANIFEST_FILE)


def of_other_columns(folder: StorageFolder) -> None:
    pq.write_table(pq.read_table(Path(folder.uri, "ab.parquet")), Path(folder.uri, MANIFEST_FILE))


@pytest.mark.parametrize(
    ("change", "read"),
    [
        (add, ["gh"]),
        (replace, ["cd"]),
        (replace_in_the_same_tick, ["cd"]),
        (remove, []),
        (truncate, ["ab", "cd", "ef"]),
        (damage, ["ab", "cd", "ef"]),
        (delete, ["ab", "cd", "ef"]),
        (of_other_columns, ["ab", "cd", "ef"]),
    ],
)
def test_read_shards__trusts_a_manifest_only_for_what_is_there(
    change: Callable[[StorageFolder], None], read: list[str], table: StorageFolder, opened: list[str]
) -> None:
    time.sleep(0.01)  # longer than a tick of the file system's clock
    change(table)
    shards = read_shards(table)
    assert names_of(shards) == [file.stem for file in sorted(Path(table.uri).glob("*.parquet"))]
    assert sorted(opened) == read
    for shard in shards:
        file = Path(table.uri, shard.name)
        assert (shard.file.num_bytes, shard.file.modified_ns) == (
            file.stat().st_size,
            file.stat().st_mtime_ns,
        )
        assert shard.num_rows == pq.read_metadata(file).num_rows
    # What the manifest does not have is read once by a process, and then written.
    read_shards(table)
    assert sorted(opened) == read
    update_manifest(table)
    assert read_manifest(table, table.listed_files(".parquet")).keys() == {shard.name for shard in shards}


def test_read_shards__of_a_copy_of_the_table_reads_its_footers(
    table: StorageFolder, tmp_path: Path, opened: list[str]
) -> None:
    time.sleep(0.01)
    shutil.copytree(table.uri, tmp_path / "copy", copy_function=shutil.copy)  # with other times
    copy = StorageFolder(tmp_path / "copy")
    write(copy, "cd", "c")
    assert [shard.num_rows for shard in read_shards(copy)] == [2, 1, 2]
    assert sorted(opened) == ["ab", "cd", "ef"]


def test_read_shards__of_a_table_in_a_store(
    table: StorageFolder, in_s3: Callable[[Path], str], opened: list[str]
) -> None:
    there = StorageFolder(in_s3(Path(table.uri)))
    assert names_of(read_shards(there)) == ["ab", "cd", "ef"]
    assert sorted(opened) == ["ab", "cd", "ef"]
    opened.clear()
    update_manifest(there)
    write(there, "gh", "g")
    assert [shard.num_rows for shard in read_shards(there)] == [2, 2, 2, 1]
    assert opened == ["gh"]
    assert read_table(there.uri)["image_id"].to_pylist() == [name for name, *_ in of("abcdefg")]


def test_read_shards__checks_every_schema_that_the_manifest_has(
    table: StorageFolder, opened: list[str]
) -> None:
    old = landmark_schema(METADATA | {"faceml.schema_version": "0"})
    shards = [
        shard._replace(schema=old) if shard.name == "cd.parquet" else shard for shard in read_shards(table)
    ]
    table.write(MANIFEST_FILE, encode_manifest(shards))
    with pytest.raises(ConfigError, match=rf"{table.uri}/cd\.parquet: schema version 0"):
        read_shards(table)
    assert opened == []


def test_read_shards__reads_footers_concurrently(
    table: StorageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        write(table, f"{number:02}", "x")
    open_shard = manifest.open_shard

    def slow(folder: StorageFolder, file: Any) -> pq.ParquetFile:
        time.sleep(0.1)
        return open_shard(folder, file)

    monkeypatch.setattr(manifest, "open_shard", slow)
    started_s = time.monotonic()
    assert len(read_shards(table)) == 43
    assert time.monotonic() - started_s < 40 * 0.1 / 2


def test_manifest__of_20_000_shards_is_small(table: StorageFolder) -> None:
    first = read_shards(table)[0]
    shards = [
        first._replace(
            file=first.file._replace(path=f"part-{number * 2**40 % 999_983:016x}.parquet", num_bytes=number)
        )
        for number in range(20_000)
    ]
    data = encode_manifest(shards)
    table.write(MANIFEST_FILE, data)
    assert read_manifest(table, [shard.file for shard in shards]) == {shard.name: shard for shard in shards}
    assert data.size < 40 * len(shards)
