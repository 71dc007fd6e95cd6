from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from faceml.storage.folder import StorageFolder
from faceml.storage.listing import StoredFile
from faceml.tables.image_listing import LISTING_SCHEMA
from faceml.tables.landmark_table import put_shard
from faceml.tables.plan import (
    PLAN_FILE,
    SMALLEST_SHARD,
    compare_with_table,
    read_plan,
    read_planned_files,
    split_into_shards,
    write_plan,
)
from faceml.tables.schema import landmark_schema, table_metadata

SCHEMA = landmark_schema(table_metadata({"name": "none"}, {}, "0"))


def listing(files: Iterable[tuple[str, int, int]]) -> pa.Table:
    columns = zip(*sorted(files), strict=True)
    return pa.table(dict(zip(LISTING_SCHEMA.names, map(list, columns), strict=True)), LISTING_SCHEMA)


def of(names: str, modified_ns: int = 1) -> list[tuple[str, int, int]]:
    return [(f"0/{name}.jpg", 10, modified_ns) for name in names]


def ids(table: pa.Table) -> str:
    return "".join(image_id[2] for image_id in table["image_id"].to_pylist())


@pytest.fixture
def table(tmp_path: Path) -> StorageFolder:
    """Return a table with the shards `abc` and `def`."""
    folder = StorageFolder(tmp_path / "table")
    for part in ("abc", "def"):
        rows = [
            {"image_id": name, "folder": "0", "status": "ok", "file_bytes": size, "modified_ns": time}
            for name, size, time in of(part)
        ]
        put_shard(rows, SCHEMA, folder, f"{part}.parquet")
    return folder


@given(images=st.integers(0, 3000), most=st.integers(1, 200), workers=st.integers(1, 9))
def test_split_into_shards__is_a_partition_in_order(images: int, most: int, workers: int) -> None:
    files = (
        listing((f"{number:05}.jpg", number, 0) for number in range(images))
        if images
        else LISTING_SCHEMA.empty_table()
    )
    shards = split_into_shards(files, most, workers)
    assert pa.concat_tables([LISTING_SCHEMA.empty_table(), *shards.values()]) == files
    assert all(0 < part.num_rows <= max(most, SMALLEST_SHARD) for part in shards.values())
    assert shards.keys() == split_into_shards(files, most, workers).keys()


def test_split_into_shards__ends_with_small_ones() -> None:
    files = listing((f"{number:06}.jpg", 1, 1) for number in range(20_000))
    sizes = [part.num_rows for part in split_into_shards(files, 1000, 2).values()]
    assert sizes[0] == 1000
    assert sizes == sorted(sizes, reverse=True)
    # When the last shards begin, what one worker does alone is less than 1/500 of its share of the images.
    assert sizes[-1] <= SMALLEST_SHARD < 10_000 / 500


def test_compare_with_table__of_a_missing_table_has_all_images_as_new(tmp_path: Path) -> None:
    files = listing(of("abc"))
    diff = compare_with_table(files, StorageFolder(tmp_path / "none"), follow_changes=True)
    assert diff.new == files
    assert (diff.num_to_extract, diff.bytes_to_extract, diff.num_rows) == (3, 30, 0)


def test_compare_with_table__finds_new_modified_and_deleted_images(table: StorageFolder) -> None:
    files = listing([*of("abc"), *of("d", modified_ns=2), *of("ez")])
    diff = compare_with_table(files, table, follow_changes=False)
    assert (ids(diff.new), diff.num_modified, diff.deleted) == ("z", 1, ["0/f.jpg"])
    assert {name: ids(part) for name, part in diff.stale.items()} == {"def.parquet": "de"}
    assert diff.stale["def.parquet"]["modified_ns"].to_pylist() == [2, 1]
    assert diff.empty == []


def test_compare_with_table__another_size_is_a_change_too(table: StorageFolder) -> None:
    files = listing([*of("bcdef"), ("0/a.jpg", 11, 1)])
    assert compare_with_table(files, table, follow_changes=False).num_modified == 1


@pytest.mark.parametrize("follow", [True, False])
def test_compare_with_table__deleted_images_make_a_shard_stale_only_if_their_rows_are_dropped(
    table: StorageFolder, follow: bool
) -> None:
    diff = compare_with_table(listing(of("ab")), table, follow_changes=follow)
    assert {name: ids(part) for name, part in diff.stale.items()} == ({"abc.parquet": "ab"} if follow else {})
    assert diff.empty == (["def.parquet"] if follow else [])


def test_compare_with_table__includes_an_interrupted_plan(table: StorageFolder) -> None:
    write_plan({"abc.parquet": listing(of("abc")), "next.parquet": listing(of("xyz"))}, table, SCHEMA)
    diff = compare_with_table(listing(of("abcdefuvxyz")), table, follow_changes=False)
    assert ids(diff.new) == "uv"
    assert {name: ids(part) for name, part in diff.unfinished.items()} == {"next.parquet": "xyz"}
    assert diff.num_to_extract == 5


def test_write_plan__is_read_back_by_shard_and_is_no_part_of_the_table(table: StorageFolder) -> None:
    shards = {"b.parquet": listing(of("pq")), "a.parquet": listing(of("r", modified_ns=7))}
    write_plan(shards, table, SCHEMA)
    assert read_plan(table) == {
        name: part.cast(read_plan(table)[name].schema) for name, part in shards.items()
    }
    assert read_planned_files(table, "a.parquet") == [StoredFile("0/r.jpg", 10, 7)]
    assert table.files(".parquet") == ["abc.parquet", "def.parquet"]
    table.delete(PLAN_FILE)
    assert read_plan(table) == {}


def test_compare_with_table__counts_the_images_of_a_table_of_all_faces_once(tmp_path: Path) -> None:
    schema = landmark_schema(table_metadata({"name": "none"}, {}, "0"), with_faces=True)
    folder = StorageFolder(tmp_path / "table")
    faces = {"a": [0, 1, 2], "b": [None], "c": [0, 1]}
    rows = [
        {
            "image_id": image,
            "folder": "0",
            "status": "ok",
            "file_bytes": size,
            "modified_ns": time,
            "face": face,
        }
        for image, size, time in of("abc")
        for face in faces[image[2]]
    ]
    put_shard(rows, schema, folder, "abc.parquet")
    assert compare_with_table(listing(of("abc")), folder, follow_changes=True).is_empty
    diff = compare_with_table(listing([*of("bd"), *of("a", modified_ns=2)]), folder, follow_changes=False)
    assert (ids(diff.new), diff.num_modified, diff.deleted, diff.num_rows) == ("d", 1, ["0/c.jpg"], 3)
    assert {name: ids(part) for name, part in diff.stale.items()} == {"abc.parquet": "ab"}
