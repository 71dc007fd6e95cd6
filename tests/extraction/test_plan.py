from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings, strategies as st

from faceml.extraction.file_lists import ShardFiles
from faceml.extraction.plan import (
    SHARDS_KEY,
    SMALLEST_SHARD,
    read_plan,
    split_into_shards,
    write_plan,
)
from faceml.storage.folder import StorageFolder
from faceml.tables.image_listing import LISTING_SCHEMA
from faceml.tables.manifest import PLAN_FILE
from faceml.tables.row_groups import ROWS_PER_GROUP
from faceml.tables.schema import landmark_schema, table_metadata
from tests.extraction.listings import ids, listing, names_of, of, stored

SCHEMA = landmark_schema(table_metadata({"name": "none"}, {}, "0"))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(images=st.integers(0, 3000), most=st.integers(1, 200), workers=st.integers(1, 9))
def test_split_into_shards__is_a_partition_in_order(
    images: int, most: int, workers: int, tmp_path: Path
) -> None:
    files = stored(((f"{number:05}.jpg", number, 0) for number in range(images)), tmp_path)
    shards = list(split_into_shards(files, most, workers))
    assert pa.concat_tables([LISTING_SCHEMA.empty_table(), *(part for _, part in shards)]) == files.read()
    assert all(0 < part.num_rows <= max(most, SMALLEST_SHARD) for _, part in shards)
    assert [name for name, _ in shards] == [name for name, _ in split_into_shards(files, most, workers)]


def test_split_into_shards__ends_with_small_ones(tmp_path: Path) -> None:
    files = stored(((f"{number:06}.jpg", 1, 1) for number in range(20_000)), tmp_path)
    sizes = [part.num_rows for _, part in split_into_shards(files, 1000, 2)]
    assert sizes[0] == 1000
    assert sizes == sorted(sizes, reverse=True)
    # When the last shards begin, what one worker does alone is less than 1/500 of its share of the images.
    assert sizes[-1] <= SMALLEST_SHARD < 10_000 / 500


def test_split_into_shards__names_shards_as_version_0_1_did(tmp_path: Path) -> None:
    (shard,) = split_into_shards(stored(of("abc"), tmp_path), 500, 1)
    assert shard.name == "part-080afb8b576154e1.parquet"


def test_split_into_shards__crosses_the_parts_in_which_a_list_is_read(tmp_path: Path) -> None:
    number = 2 * ROWS_PER_GROUP + 17
    files = stored(((f"{number:06}.jpg", number, 1) for number in range(number)), tmp_path)
    sizes = list(split_into_shards(files, 77_777, 1))
    assert [part.num_rows for _, part in sizes][:2] == [77_777, 61_120]  # half of what remains
    assert pa.concat_tables(part for _, part in sizes)["file_bytes"].to_pylist() == list(range(number))


def test_write_plan__is_read_back_by_shard_and_is_no_part_of_the_table(tmp_path: Path) -> None:
    table = StorageFolder(tmp_path / "table")
    shards = [ShardFiles("b.parquet", listing(of("pq"))), ShardFiles("a.parquet", listing(of("r", 7)))]
    work = write_plan([("new", shards)], table, SCHEMA, tmp_path)
    assert (work.num_shards, work.num_rows, work.num_bytes) == (2, 3, 30)
    assert list(work.shards()) == shards
    plan = read_plan(table, [], [], tmp_path)
    assert list(plan.unfinished.shards()) == shards
    assert (plan.unfinished.num_shards, plan.unfinished.num_bytes, plan.written.num_shards) == (2, 30, 0)
    assert table.files(".parquet") == []
    table.delete(PLAN_FILE)
    plan = read_plan(table, [], [], tmp_path)
    assert (plan.unfinished.num_shards, plan.written.num_shards) == (0, 0)


def test_read_plan__tells_shards_that_it_has_created_from_those_that_were_there(tmp_path: Path) -> None:
    table = StorageFolder(tmp_path / "table")

    def plan(*shards: tuple[str, str]) -> list[ShardFiles]:
        return [ShardFiles(f"{name}.parquet", listing(of(files))) for name, files in shards]

    parts = plan(("w", "ab")), plan(("s", "cd")), plan(("n", "ef"), ("m", "gh"))
    work = write_plan(zip(("written", "stale", "new"), parts, strict=True), table, SCHEMA, tmp_path)
    assert names_of(work) == ["s", "n", "m"]
    found = read_plan(table, ["w.parquet", "s.parquet", "n.parquet"], [], tmp_path)
    assert names_of(found.unfinished) == ["m"]
    # The rows of a stale shard may be those from before the plan.
    assert names_of(found.written) == ["w", "n"]
    assert [ids(files) for _, files in found.written.shards()] == ["ab", "ef"]


def test_read_plan__of_an_earlier_version_trusts_no_shard(tmp_path: Path) -> None:
    table = StorageFolder(tmp_path)
    shards = {"a.parquet": listing(of("ab")), "b.parquet": listing(of("c"))}
    schema = LISTING_SCHEMA.with_metadata({SHARDS_KEY: b'["a.parquet", "b.parquet"]'})
    with pq.ParquetWriter(tmp_path / PLAN_FILE, schema) as writer:
        for files in shards.values():
            writer.write_table(files.cast(schema))
    found = read_plan(table, ["a.parquet"], [], tmp_path)
    assert [(name, ids(files)) for name, files in found.unfinished.shards()] == [("b.parquet", "c")]
    assert found.written.num_shards == 0


def test_read_plan__leaves_out_images_of_other_sources(tmp_path: Path) -> None:
    table = StorageFolder(tmp_path / "table")
    files = listing([("one/a.jpg", 1, 1), ("two/b.jpg", 1, 1)])
    only = listing([("two/c.jpg", 1, 1)])
    shards = [ShardFiles("a.parquet", files), ShardFiles("b.parquet", only)]
    write_plan([("new", shards)], table, SCHEMA, tmp_path)
    found = read_plan(table, [], ["one"], tmp_path).unfinished
    assert [(name, files["image_id"].to_pylist()) for name, files in found.shards()] == [
        ("a.parquet", ["one/a.jpg"])
    ]
    assert found.num_shards == 1
