"""Queries over landmark tables with bounded memory."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceml.config.config_error import ConfigError
from faceml.errors import StoppedError
from faceml.tables.queries import QueryError, QueryLimits, open_database
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.table_scan import TableScan

SCHEMA = landmark_schema(table_metadata({"name": "test"}, {}, "0"), with_look=True)
NUM_SHARDS, ROWS_OF_SHARD = 40, 25
NUMBERS = 10_000_000  # 80 MB


def write_table(folder: Path) -> pa.Table:
    """Write a table of several shards, and return its rows in their order."""
    draw = np.random.default_rng(0)
    number = NUM_SHARDS * ROWS_OF_SHARD
    columns = {
        "image_id": [f"{i % 7}/{i:05}.jpg" for i in range(number)],
        "folder": [str(i % 7) for i in range(number)],
        "status": draw.choice(["ok", "no_face"], number).tolist(),
        "dhash": draw.integers(0, 2**64, number, dtype=np.uint64).tolist(),
        "content_sha256": [draw.bytes(32) for _ in range(number)],
        "landmarks_5": draw.random((number, 10), dtype=np.float32).tolist(),
        "look": ["whole"] * number,
    }
    nulls = {name: [None] * number for name in SCHEMA.names if name not in columns}
    rows = pa.table({name: (columns | nulls)[name] for name in SCHEMA.names}, schema=SCHEMA)
    folder.mkdir(parents=True)
    for index in range(NUM_SHARDS):
        part = rows.slice(index * ROWS_OF_SHARD, ROWS_OF_SHARD)
        pq.write_table(part, folder / f"part-{index:03}.parquet")
    return rows


def test_open_database__counts_as_python_does(tmp_path: Path) -> None:
    rows = write_table(tmp_path / "table")
    scan = TableScan(tmp_path / "table", ["folder", "status", "dhash"])
    with open_database({"faces": scan}) as database:
        found = database.execute("select folder, status, count(*) from faces group by all").fetchall()
        (differing,) = database.execute("select bit_xor(dhash) from faces").fetchall()
    expected = Counter(zip(rows["folder"].to_pylist(), rows["status"].to_pylist(), strict=True))
    assert {(folder, status): count for folder, status, count in found} == expected
    assert differing == (int(np.bitwise_xor.reduce(rows["dhash"].to_numpy())),)


def test_open_database__that_is_over_its_memory_writes_temporary_files(tmp_path: Path) -> None:
    spill = tmp_path / "spill" / "here"
    with open_database(limits=QueryLimits(1 / 32, spill)) as database:
        database.execute(f"create table numbers as select hash(range) as n from range({NUMBERS})")
        (folder,) = spill.iterdir()
        assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) > 2**20
        assert database.execute("select count(*), min(n) < max(n) from numbers").fetchall() == [
            (NUMBERS, True)
        ]
    assert not list(spill.iterdir())


def test_open_database__without_space_names_the_folder_and_the_settings(tmp_path: Path) -> None:
    remedy = r"spill: no space left .* Set TMPDIR .* queries\.spill_folder or raise queries\.memory_gib\.$"
    limits = QueryLimits(1 / 1024, tmp_path / "spill")
    with pytest.raises(StoppedError, match=remedy) as raised, open_database(limits=limits) as database:
        database.execute(f"select count(distinct hash(range)) from range({NUMBERS})")
    assert "\n" not in str(raised.value)


def test_open_database__passes_on_the_error_of_a_shard(tmp_path: Path) -> None:
    write_table(tmp_path / "table")
    broken = pq.read_table(tmp_path / "table/part-020.parquet").replace_schema_metadata(None)
    scan = TableScan(tmp_path / "table", ["folder"])
    pq.write_table(broken, tmp_path / "table/part-020.parquet")
    refused = pytest.raises(ConfigError, match=r"part-020\.parquet: not a landmark table of faceml")
    with refused, open_database({"faces": scan}) as database:
        database.execute("select max(folder) from faces")
    with pytest.raises(QueryError, match="nowhere"), open_database() as database:
        database.execute("select * from nowhere")
