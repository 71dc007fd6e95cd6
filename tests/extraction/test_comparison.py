import time
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pytest

from faceml.errors import StoppedError
from faceml.extraction import comparison
from faceml.extraction.comparison import TableDiff
from faceml.extraction.file_lists import ShardFiles, decode_files, encode_files
from faceml.extraction.plan import write_plan
from faceml.storage.folder import StorageFolder
from faceml.storage.listing import StoredFile
from faceml.tables.label_table import NamedCount
from faceml.tables.landmark_table import put_shard
from faceml.tables.manifest import MANIFEST_FILE, Shard, encode_manifest, shards_digest
from faceml.tables.queries import QueryLimits
from faceml.tables.row_groups import write_row_groups
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.table_images import DIGEST_KEY, IMAGES_FILE, IMAGES_SCHEMA
from tests.extraction.listings import ids, listing, of

SCHEMA = landmark_schema(table_metadata({"name": "none"}, {}, "0"))


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


def compare(files: Iterable[tuple[str, int, int]], table: StorageFolder, follow: bool = False) -> TableDiff:
    scratch = Path(table.uri).with_name("scratch")
    scratch.mkdir(exist_ok=True)
    state = comparison.read_table_state(table, scratch)
    batches = listing(files).to_batches()
    return comparison.compare_with_table(batches, state, scratch, follow_changes=follow)


def by_shard(shards: Iterable[ShardFiles]) -> dict[str, str]:
    return {name: ids(part) for name, part in shards}


def test_compare_with_table__of_a_missing_table_has_all_images_as_new(tmp_path: Path) -> None:
    diff = compare(reversed(of("abc")), StorageFolder(tmp_path / "none"), follow=True)
    assert diff.new.read() == listing(of("abc"))
    assert (diff.num_to_extract, diff.bytes_to_extract, diff.num_rows) == (3, 30, 0)
    assert (diff.listed, diff.deleted, diff.empty) == ({None: 3}, {}, [])


def test_compare_with_table__finds_new_modified_and_deleted_images(table: StorageFolder) -> None:
    diff = compare([*of("abc"), *of("d", modified_ns=2), *of("ez")], table)
    assert (ids(diff.new.read()), diff.num_modified) == ("z", 1)
    assert (diff.deleted[None].number, diff.deleted[None].names) == (1, ("0/f.jpg",))
    assert by_shard(diff.stale.shards()) == {"def.parquet": "de"}
    assert (diff.stale.num_shards, diff.stale.num_rows) == (1, 2)
    (stale,) = diff.stale.shards()
    assert stale.files["modified_ns"].to_pylist() == [2, 1]
    assert diff.empty == []


def test_compare_with_table__another_size_is_a_change_too(table: StorageFolder) -> None:
    assert compare([*of("bcdef"), ("0/a.jpg", 11, 1)], table).num_modified == 1


@pytest.mark.parametrize("follow", [True, False])
def test_compare_with_table__deleted_images_make_a_shard_stale_only_if_their_rows_are_dropped(
    table: StorageFolder, follow: bool
) -> None:
    diff = compare(of("ab"), table, follow)
    assert by_shard(diff.stale.shards()) == ({"abc.parquet": "ab"} if follow else {})
    assert diff.empty == (["def.parquet"] if follow else [])


def test_compare_with_table__includes_an_interrupted_plan(table: StorageFolder, tmp_path: Path) -> None:
    shards = [ShardFiles(f"{name}.parquet", listing(of(name))) for name in ("abc", "xyz")]
    write_plan([("new", shards)], table, SCHEMA, tmp_path)
    diff = compare(of("abcdefuvxyz"), table)
    assert ids(diff.new.read()) == "uv"
    assert by_shard(diff.plan.unfinished.shards()) == {"xyz.parquet": "xyz"}
    assert diff.num_to_extract == 5
    assert (diff.num_rows, diff.stale.num_shards) == (6, 0)


def test_compare_with_table__of_an_interrupted_plan_deleted_images_are_left_out(
    table: StorageFolder, tmp_path: Path
) -> None:
    shards = [ShardFiles(f"{name}.parquet", listing(of(name))) for name in ("zyx", "uvw", "rst")]
    write_plan([("new", shards)], table, SCHEMA, tmp_path)
    diff = compare(of("abcdefrtxz"), table)
    assert list(by_shard(diff.plan.unfinished.shards()).items()) == [
        ("zyx.parquet", "xz"),
        ("rst.parquet", "rt"),
    ]
    unfinished = diff.plan.unfinished
    assert (unfinished.num_shards, unfinished.num_rows, unfinished.num_bytes) == (2, 4, 40)
    assert (diff.num_to_extract, diff.num_deleted, ids(diff.new.read())) == (4, 0, "")


def test_num_to_read__has_changed_images_only_if_their_rows_are_replaced(table: StorageFolder) -> None:
    diff = compare([*of("abcz"), *of("de", modified_ns=2), *of("f")], table)
    assert (diff.num_to_read(follow_changes=False), diff.num_to_read(follow_changes=True)) == (1, 3)


def test_compare_with_table__counts_an_image_with_several_rows_once(tmp_path: Path) -> None:
    schema = landmark_schema(table_metadata({"name": "none"}, {}, "0"), with_faces=True)
    table = StorageFolder(tmp_path / "table")
    faces = {"a": [0, 1, 2], "b": [None], "c": [0, 1]}
    columns = ("image_id", "file_bytes", "modified_ns")
    rows = [
        dict(zip(columns, file, strict=True), folder="0", status="ok", face=face)
        for file in of("abc")
        for face in faces[file[0][2]]
    ]
    put_shard(rows, schema, table, "abc.parquet")
    assert compare(of("abc"), table, follow=True).is_empty
    diff = compare([*of("bd"), *of("a", modified_ns=2)], table)
    assert (ids(diff.new.read()), diff.num_modified, diff.num_deleted, diff.num_rows) == ("d", 1, 1, 3)
    assert by_shard(diff.stale.shards()) == {"abc.parquet": "ab"}


@pytest.mark.parametrize("shards", [1, 30])
def test_compare_with_table__agrees_with_sets(shards: int, tmp_path: Path) -> None:
    table = StorageFolder(tmp_path / "table")
    rows = [(f"{number % 7}/{number}.jpg", number, number % 3) for number in range(1500)]
    for shard in range(shards):
        fields = ("image_id", "file_bytes", "modified_ns")
        part = [dict(zip(fields, row, strict=True), folder="", status="ok") for row in rows[shard::shards]]
        put_shard(part, SCHEMA, table, f"{shard:03}.parquet")
    files = [*rows[100:1400], *((f"new/{number}.jpg", 1, 1) for number in range(50))]
    files = [(name, size, time + (size % 11 == 0)) for name, size, time in files]
    diff = compare(files, table, follow=True)
    now, place = {file[0]: file for file in files}, {row[0]: index % shards for index, row in enumerate(rows)}
    deleted = sorted(row[0] for row in rows if row[0] not in now)
    modified = [row for row in rows if row[0] in now and now[row[0]] != row]
    assert diff.deleted[None] == NamedCount(len(deleted), tuple(deleted[:20]))
    assert diff.num_modified == len(modified)
    assert diff.new.read()["image_id"].to_pylist() == sorted(name for name in now if name not in place)
    stale = {place[name] for name in [*deleted, *(row[0] for row in modified)]}
    expected = {
        f"{shard:03}.parquet": sorted(name for name in now if place.get(name) == shard) for shard in stale
    }
    found = {name: files["image_id"].to_pylist() for name, files in diff.stale.shards()}
    assert found == {name: files for name, files in expected.items() if files}
    assert list(found) == sorted(found)
    assert diff.empty == sorted(name for name, files in expected.items() if not files)


def seconds_of(shards: int, images: int, folder: Path) -> float:
    """Return the CPU time to compare, plan and send images that all changed, of so many shards."""
    table = StorageFolder(folder / f"table{shards}")
    names = [f"{number:06}.parquet" for number in range(shards)]
    files = [StoredFile(name, 1, 1) for name in names]
    described = [Shard(file, images // shards, SCHEMA) for file in files]
    table.write(MANIFEST_FILE, encode_manifest(described))
    rows = listing((f"{number:06}.jpg", 1, 1) for number in range(images))
    of_shards = pa.array([names[number * shards // images] for number in range(images)])
    schema = IMAGES_SCHEMA.with_metadata({DIGEST_KEY: shards_digest(described).encode()})
    write_row_groups(Path(table.uri, IMAGES_FILE), schema, [rows.append_column("shard", of_shards)])
    changed = rows.set_column(2, "modified_ns", pa.repeat(2, images))
    scratch = folder / f"scratch{shards}"
    scratch.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StorageFolder, "listed_files", lambda *_: files)  # opening a shard would be an error
        started_s = time.process_time()
        state = comparison.read_table_state(table, scratch)
        diff = comparison.compare_with_table(changed.to_batches(), state, scratch, follow_changes=False)
        work = write_plan([("stale", diff.stale.shards())], table, SCHEMA, scratch)
        sent = sum(len(decode_files(encode_files(shard.files))) for shard in work.shards())
        took_s = time.process_time() - started_s
    assert (diff.num_modified, work.num_shards, sent) == (images, shards, images)
    return took_s


def test_compare_with_table__takes_no_longer_for_each_image_if_there_are_many_shards(tmp_path: Path) -> None:
    # 10 times the shards and the images; work of shards times images would take 100 times as long.
    seconds_of(2, 100, tmp_path)  # imports
    few_s, many_s = seconds_of(100, 1000, tmp_path), seconds_of(1000, 10_000, tmp_path)
    assert many_s < 3 * 10 * few_s


def test_compare_with_table__has_its_temporary_files_in_the_scratch_folder(table: StorageFolder) -> None:
    scratch = Path(table.uri).with_name("scratch")
    scratch.mkdir()
    state = comparison.read_table_state(table, scratch)
    batches = listing((f"0/{number:07d}.jpg", 10, 1) for number in range(100_000)).to_batches()
    with pytest.raises(StoppedError, match=r"scratch: no space left for temporary files"):
        comparison.compare_with_table(
            batches, state, scratch, follow_changes=False, limits=QueryLimits(memory_gib=1 / 1024)
        )
