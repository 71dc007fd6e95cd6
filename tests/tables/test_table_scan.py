"""Scans of landmark tables, shard by shard."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceml.config.config_error import ConfigError
from faceml.tables.table_scan import TableScan
from tests.tables.test_queries import NUM_SHARDS, ROWS_OF_SHARD, SCHEMA, write_table


def test_table_scan__has_all_rows_in_the_order_of_the_shards(tmp_path: Path) -> None:
    rows = write_table(tmp_path / "table")
    scan = TableScan(tmp_path / "table", ["landmarks_5", "image_id"], most_rows=10)
    for _ in range(2):
        batches = list(scan.batches())
        assert max(batch.num_rows for batch in batches) == 10
        assert pa.Table.from_batches(batches) == rows.select(["landmarks_5", "image_id"])
    chosen = TableScan(tmp_path / "table", ["image_id"], ["part-003.parquet", "part-001.parquet"])
    parts = [rows["image_id"].slice(number * ROWS_OF_SHARD, ROWS_OF_SHARD) for number in (3, 1)]
    assert (
        pa.table(chosen)["image_id"].to_pylist()
        == pa.concat_arrays([c for p in parts for c in p.chunks]).to_pylist()
    )


def test_table_scan__of_some_images_reads_only_the_shards_that_may_have_them(tmp_path: Path) -> None:
    rows = write_table(tmp_path / "table").sort_by("image_id")
    (tmp_path / "sorted").mkdir()
    for number in range(NUM_SHARDS):
        file = tmp_path / f"sorted/part-{number:03}.parquet"
        pq.write_table(rows.slice(number * ROWS_OF_SHARD, ROWS_OF_SHARD), file)
        if number not in (3, 20):  # the footers stay, the rows do not
            content = bytearray(file.read_bytes())
            start = pq.read_metadata(file).row_group(0).column(0).dictionary_page_offset
            content[start : start + 1000] = bytes(1000)
            file.write_bytes(content)
    wanted = [3 * ROWS_OF_SHARD, 3 * ROWS_OF_SHARD + 7, 21 * ROWS_OF_SHARD - 1]
    names = [rows["image_id"][place].as_py() for place in wanted]
    scan = TableScan(tmp_path / "sorted", ["image_id", "dhash"], image_ids=[*reversed(names), "nothing"])
    assert pa.table(scan) == rows.select(["image_id", "dhash"]).take(wanted).replace_schema_metadata()
    with pytest.raises(OSError, match=r"page|thrift|deserialize|Dictionary"):
        list(TableScan(tmp_path / "sorted", ["image_id"]).batches())


def test_table_scan__reads_from_a_store(tmp_path: Path, in_s3: Callable[[Path], str]) -> None:
    rows = write_table(tmp_path / "table")
    assert pa.table(TableScan(in_s3(tmp_path / "table"), rows.column_names)) == rows.replace_schema_metadata()


def test_table_scan__a_column_that_some_shards_lack_is_null_there(tmp_path: Path) -> None:
    rows = write_table(tmp_path / "table")
    for number in range(NUM_SHARDS - 1):
        file = tmp_path / f"table/part-{number:03}.parquet"
        pq.write_table(pq.read_table(file).drop_columns(["look"]), file)
    found = pa.table(TableScan(tmp_path / "table", ["look", "folder"]))
    assert found["folder"] == rows["folder"]
    assert found["look"].to_pylist() == [None] * ROWS_OF_SHARD * (NUM_SHARDS - 1) + ["whole"] * ROWS_OF_SHARD


def test_table_scan__refuses_what_it_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no Parquet files"):
        TableScan(tmp_path, ["folder"])
    write_table(tmp_path / "table")
    with pytest.raises(ConfigError, match="no column age"):
        TableScan(tmp_path / "table", ["folder", "age"])
    old = SCHEMA.with_metadata({**SCHEMA.metadata, b"faceml.schema_version": b"0"})
    scan = TableScan(tmp_path / "table", ["folder"])
    pq.write_table(old.empty_table(), tmp_path / "table/part-005.parquet")
    refused = pytest.raises(ConfigError, match=r"part-005\.parquet: schema version 0")
    with refused:
        TableScan(tmp_path / "table", ["folder"])
    with refused:
        list(scan.batches())
    assert isinstance(scan.error, ConfigError)
