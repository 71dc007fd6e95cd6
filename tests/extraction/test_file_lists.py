from pathlib import Path

import pyarrow as pa

from faceml.extraction.file_lists import (
    ShardFileList,
    decode_files,
    encode_files,
    iterate_shards,
    to_stored_files,
)
from faceml.storage.listing import StoredFile
from faceml.tables.image_listing import LISTING_SCHEMA
from faceml.tables.row_groups import write_row_groups
from tests.extraction.listings import ids, listing, of, stored


def with_shard(names: str, shard: str) -> pa.Table:
    return listing(of(names)).append_column("shard", pa.repeat(shard, len(names)))


def test_encode_files__gives_the_same_files_in_few_bytes() -> None:
    files = listing(
        (f"{number % 8}/{number:09}.jpg", 30_000 + number, 10**18 + number) for number in range(500)
    )
    encoded = encode_files(files.slice(100, 300))
    assert decode_files(encoded) == to_stored_files(files)[100:400]
    assert len(encoded) < 300 * 20
    assert decode_files(encode_files(LISTING_SCHEMA.empty_table())) == []


def test_iterate_shards__joins_the_parts_of_a_shard() -> None:
    first = pa.concat_tables([with_shard("ab", "x"), with_shard("cd", "y")])
    second = pa.concat_tables([with_shard("e", "y"), with_shard("f", "z")])
    empty = first.slice(0, 0)
    found = iterate_shards(iter([empty, first, empty, second, with_shard("g", "z")]))
    assert [(name, ids(files)) for name, files in found] == [("x", "ab"), ("y", "cde"), ("z", "fg")]
    assert list(iterate_shards(iter([empty]))) == []


def test_shard_file_list__names_its_shards_in_their_order(tmp_path: Path) -> None:
    rows = pa.concat_tables([with_shard("ab", "y"), with_shard("cd", "x")])
    write_row_groups(tmp_path / "list.parquet", rows.schema, [rows])
    assert ShardFileList(tmp_path / "list.parquet", 4, 40, 2).names() == ["y", "x"]


def test_file_list__samples_at_equal_distances(tmp_path: Path) -> None:
    files = stored(((f"{number:06}", number, 1) for number in range(110_000)), tmp_path)
    assert [file.num_bytes for file in files.sample(5)] == [0, 22_000, 44_000, 66_000, 88_000]
    assert files.sample(1) == [StoredFile("000000", 0, 1)]
    few = stored(of("abc"), tmp_path)
    assert few.sample(64) == [StoredFile(*file) for file in of("abc")]
