"""Columns that are mapped into memory."""

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from faceml.storage.mapped_rows import MappedRows, MappedText, RowsToMap, find_sorted

NAMES = ["0/a.jpg", "0/é ö.jpg", "7/z.jpg"]


@pytest.fixture
def rows() -> RowsToMap:
    rng = np.random.default_rng(0)
    return RowsToMap(
        {
            "name": pa.array(NAMES),
            "folder": pa.array(["0", "0", "7"]).dictionary_encode(),
            "label": np.array([3, -1, 2**40]),
            "known": np.array([True, False, True]),
            "points": rng.random((3, 5, 2), dtype=np.float32)[:, ::-1],  # not contiguous
            "numbers": np.array([[0.5, np.nan], [-np.inf, 1e-300], [0.1, 2.0]]),
        },
        {"rows": 3, "mean": [0.1, 1 / 3]},
    )


def assert_same(found: MappedRows, wanted: RowsToMap) -> None:
    assert len(found) == 3
    assert found.facts == wanted.facts
    assert list(MappedText(found, "name")) == NAMES
    assert list(MappedText(found, "folder")) == ["0", "0", "7"]
    for name in ("label", "known", "points", "numbers"):
        column = wanted.columns[name]
        assert isinstance(column, np.ndarray)
        read = found.numbers(name)
        assert (read.dtype, read.shape) == (column.dtype, column.shape)
        np.testing.assert_array_equal(read, column)
    assert "name" in found
    assert "pose" not in found


def test_mapped_rows__are_those_written(rows: RowsToMap, tmp_path: Path) -> None:
    rows.write(tmp_path / "rows.arrow")
    assert_same(rows.mapped(), rows)
    assert_same(MappedRows(tmp_path / "rows.arrow"), rows)


def test_mapped_rows__without_any_row_keep_their_shapes() -> None:
    none = RowsToMap({"name": pa.array([], pa.string()), "points": np.empty((0, 5, 2), np.float32)}, {})
    assert none.mapped().numbers("points").shape == (0, 5, 2)
    assert list(MappedText(none.mapped(), "name")) == []


def test_mapped_rows__a_file_is_sent_as_its_path(tmp_path: Path) -> None:
    many = RowsToMap({"name": pa.array([f"{n:09d}" for n in range(10_000)])}, {})
    many.write(tmp_path / "rows.arrow")
    names = MappedText(MappedRows(tmp_path / "rows.arrow"), "name")
    assert names[9_999] == "000009999"
    sent = pickle.dumps(names)
    assert len(sent) < 1000
    assert pickle.loads(sent)[4321] == "000004321"
    assert list(pickle.loads(pickle.dumps(MappedText(many.mapped(), "name"))))[4321] == "000004321"


def test_mapped_text__is_a_sequence(rows: RowsToMap) -> None:
    names = MappedText(rows.mapped(), "name")
    assert (names[-1], names[1:], len(names)) == (NAMES[-1], NAMES[1:], 3)
    with pytest.raises(IndexError):
        names[3]


@pytest.mark.parametrize("number", [0, 1, 2, 7])
def test_find_sorted__finds_the_first_position_or_none(number: int) -> None:
    names = ["a", "b", "b", "c", "e", "e", "f"][:number]
    for text in "abcdefg":
        assert find_sorted(names, text) == (names.index(text) if text in names else None)
