"""Tables in memory and in mapped files."""

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from faceml.errors import StoppedError
from faceml.storage import collect_batches, filter_rows, mapped_tables

SCHEMA = pa.schema([("number", pa.int64()), ("name", pa.string())])


def batches(num: int, rows: int = 1000) -> Iterator[pa.RecordBatch]:
    for start in range(0, num * rows, rows):
        numbers = range(start, start + rows)
        yield pa.record_batch([pa.array(numbers), pa.array(map(str, numbers))], schema=SCHEMA)


@pytest.mark.parametrize("most_in_memory", [0, 20_000, 10**9])
def test_collect_batches__has_the_rows_of_all_batches(
    monkeypatch: pytest.MonkeyPatch, most_in_memory: int, tmp_path: Path
) -> None:
    monkeypatch.setattr(mapped_tables, "MOST_IN_MEMORY", most_in_memory)
    assert collect_batches(SCHEMA, batches(5), tmp_path).equals(pa.Table.from_batches(batches(5)))
    assert collect_batches(SCHEMA, [], tmp_path).equals(SCHEMA.empty_table())
    assert list(tmp_path.iterdir()) == []


def test_collect_batches__of_a_large_table_allocate_the_memory_of_a_few(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(mapped_tables, "MOST_IN_MEMORY", 1 << 20)
    before = pa.total_allocated_bytes()
    found = collect_batches(SCHEMA, batches(500, 10_000), tmp_path)
    assert found.nbytes > 50 << 20
    assert pa.total_allocated_bytes() - before < 2 << 20
    assert found["number"].to_numpy().sum() == sum(range(5_000_000))


@pytest.mark.parametrize(
    ("code", "expected", "message"),
    [
        (errno.ENOSPC, StoppedError, "no space left .* Set TMPDIR to a folder with more space"),
        (errno.EIO, OSError, "cannot be read"),
    ],
)
def test_collect_batches__an_error_leaves_no_file(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    code: int,
    expected: type[BaseException],
    message: str,
) -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield from batches(3)
        raise OSError(code, "cannot be read")

    monkeypatch.setattr(mapped_tables, "MOST_IN_MEMORY", 0)
    with pytest.raises(expected, match=message):
        collect_batches(SCHEMA, failing(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("most_in_memory", [0, 10**9])
def test_filter_rows__keeps_the_rows_of_the_mask(
    monkeypatch: pytest.MonkeyPatch, most_in_memory: int
) -> None:
    monkeypatch.setattr(mapped_tables, "MOST_IN_MEMORY", most_in_memory)
    rows = pa.Table.from_batches(batches(3))
    mask = pa.chunked_array([pa.array(np.arange(500) % 2 == 0), pa.array([True, None] * 1250)])
    assert filter_rows(rows, mask).equals(rows.filter(mask))
