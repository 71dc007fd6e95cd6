"""Images of a table are the same with a stored list of them, whatever happened to it, and without."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceml.storage.folder import StorageFolder
from faceml.tables import table_images
from faceml.tables.landmark_table import put_shard
from faceml.tables.manifest import MANIFEST_FILE
from faceml.tables.schema import landmark_schema
from faceml.tables.table_images import (
    IMAGES_FILE,
    TableImages,
    collect_images,
    delete_manifest,
    read_shard_images,
    store_manifest,
    update_manifest,
)
from tests.tables.test_manifest import METADATA, add, names_of, remove, replace, table, write

__all__ = ["table"]


def collect(folder: StorageFolder, scratch: Path, *planned: str) -> TableImages:
    scratch.mkdir(exist_ok=True)
    return collect_images(folder, folder.listed_files(".parquet"), scratch, planned)


def images_of(images: TableImages) -> list[tuple[str, str]]:
    """Return the images and their shards, each by its letters."""
    rows = [row for part in images.parts for row in pq.read_table(part).to_pylist()]
    return sorted((row["image_id"][2], row["shard"].removesuffix(".parquet")) for row in rows)


def expected(folder: StorageFolder) -> list[tuple[str, str]]:
    """Read the same from every shard."""
    return sorted(
        (image_id[2], file.stem)
        for file in Path(folder.uri).glob("*.parquet")
        for image_id in pq.read_table(file)["image_id"].to_pylist()
    )


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the shards that are read."""
    names = list[str]()

    def recorded(folder: StorageFolder, file: table_images.StoredFile) -> object:
        names.append(file.path.removesuffix(".parquet"))
        return read_shard_images(folder, file)

    monkeypatch.setattr(table_images, "read_shard_images", recorded)
    return names


def test_collect_images__of_a_current_manifest_reads_no_shard(
    table: StorageFolder, tmp_path: Path, read: list[str]
) -> None:
    images = collect(table, tmp_path / "scratch")
    assert images_of(images) == expected(table)
    assert (images.is_stored, names_of(images.shards), read) == (True, ["ab", "cd", "ef"], [])


def truncate_images(folder: StorageFolder) -> None:
    file = Path(folder.uri, IMAGES_FILE)
    file.write_bytes(file.read_bytes()[:-50])


def damage_images(folder: StorageFolder) -> None:
    file = Path(folder.uri, IMAGES_FILE)
    data = bytearray(file.read_bytes())
    data[60] ^= 0xFF
    file.write_bytes(data)


def delete_images(folder: StorageFolder) -> None:
    folder.delete(IMAGES_FILE)


def keep_old_images(folder: StorageFolder) -> None:
    """Write a manifest without its images, as if the process had been killed in between."""
    old = Path(folder.uri, IMAGES_FILE).read_bytes()
    write(folder, "ef", "ghi")
    update_manifest(folder)
    Path(folder.uri, IMAGES_FILE).write_bytes(old)


def delete_shards_manifest(folder: StorageFolder) -> None:
    folder.delete(MANIFEST_FILE)


@pytest.mark.parametrize(
    ("change", "shards"),
    [
        (add, ["gh"]),
        (replace, ["cd"]),
        (remove, []),
        (truncate_images, ["ab", "cd", "ef"]),
        (damage_images, ["ab", "cd", "ef"]),
        (delete_images, ["ab", "cd", "ef"]),
        (keep_old_images, ["ab", "cd", "ef"]),
        (delete_shards_manifest, ["ab", "cd", "ef"]),
    ],
)
def test_collect_images__reads_the_shards_that_are_not_as_described(
    change: Callable[[StorageFolder], None],
    shards: list[str],
    table: StorageFolder,
    tmp_path: Path,
    read: list[str],
) -> None:
    change(table)
    read.clear()
    images = collect(table, tmp_path / "scratch")
    assert images_of(images) == expected(table)
    assert (images.is_stored, sorted(read)) == (False, shards)
    store_manifest(table, images)
    read.clear()
    again = collect(table, tmp_path / "scratch")
    assert images_of(again) == expected(table)
    assert (again.is_stored, read) == (True, [])


def test_collect_images__leaves_out_shards_that_are_known_from_a_plan(
    table: StorageFolder, tmp_path: Path, read: list[str]
) -> None:
    write(table, "gh", "gh")
    write(table, "ij", "ij")
    images = collect(table, tmp_path / "scratch", "gh.parquet", "ab.parquet")
    assert (images.is_stored, read) == (False, ["ij"])
    assert names_of(images.shards) == ["ab", "cd", "ef", "ij"]
    store_manifest(table, images)
    assert names_of(collect(table, tmp_path / "scratch").shards) == ["ab", "cd", "ef", "gh", "ij"]


def test_collect_images__in_a_store(
    table: StorageFolder, in_s3: Callable[[Path], str], tmp_path: Path, read: list[str]
) -> None:
    there = StorageFolder(in_s3(Path(table.uri)))
    update_manifest(there)
    read.clear()
    write(there, "gh", "gh")
    images = collect(there, tmp_path / "scratch")
    assert images_of(images) == sorted([*expected(table), ("g", "gh"), ("h", "gh")])
    assert read == ["gh"]


def test_read_shard_images__has_an_image_with_several_rows_once(tmp_path: Path) -> None:
    folder, schema = StorageFolder(tmp_path), landmark_schema(METADATA, with_faces=True)
    for images, unique in (("aabccc", "abc"), ("", ""), ("a", "a")):
        rows = [{"image_id": name, "folder": "", "status": "ok", "face": 0} for name in images]
        put_shard(rows, schema, folder, "a.parquet")
        shard, found = read_shard_images(folder, folder.listed_files(".parquet")[0])
        assert shard.num_rows == len(images)
        assert found["image_id"].to_pylist() == list(unique)
        assert found["shard"].to_pylist() == ["a.parquet"] * len(unique)
        assert isinstance(found, pa.Table)


def test_delete_manifest__leaves_no_name_of_an_image(table: StorageFolder) -> None:
    delete_manifest(table)
    assert [file.name for file in Path(table.uri).iterdir() if file.name.startswith(".")] == []
    update_manifest(table)
    assert {file.name for file in Path(table.uri).glob(".*")} == {MANIFEST_FILE, IMAGES_FILE}


def test_update_manifest__writes_nothing_if_it_is_current(table: StorageFolder) -> None:
    before = {file: file.stat().st_mtime_ns for file in Path(table.uri).glob(".*")}
    update_manifest(table)
    assert {file: file.stat().st_mtime_ns for file in Path(table.uri).glob(".*")} == before
