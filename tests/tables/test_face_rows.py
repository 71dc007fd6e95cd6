"""Rows of tables with one row per face, and of those with one row per image."""

import numpy as np
import pyarrow as pa
import pytest

from faceml.tables.face_rows import (
    face_names,
    face_numbers,
    first_rows,
    image_of,
    is_further_face,
    key_columns,
    sorted_by_face,
)


@pytest.fixture
def rows() -> pa.Table:
    """Rows in no order, of an image of eleven faces, of one whose face 0 is not there, and of one without."""
    keys = [
        ("b.jpg", 2),
        ("b#1.jpg", None),
        *(("a.jpg", number) for number in range(10, -1, -1)),
        ("b.jpg", 1),
    ]
    images, faces = zip(*keys, strict=True)
    return pa.table({"image_id": images, "face": pa.array(faces, pa.int16()), "row": range(len(keys))})


def test_sorted_by_face__by_number_not_by_name(rows: pa.Table) -> None:
    found = sorted_by_face(rows)
    assert face_names(found).to_pylist() == [
        "a.jpg", *(f"a.jpg#{number}" for number in range(1, 11)), "b#1.jpg", "b.jpg#1", "b.jpg#2"
    ]  # fmt: skip
    assert face_numbers(found).tolist() == [*range(11), 0, 1, 2]
    assert is_further_face(found).tolist() == [False] + [True] * 10 + [False, True, True]
    names = face_names(found).to_pylist()
    assert len(set(names)) == len(names)
    assert list(map(image_of, names)) == found["image_id"].to_pylist()


def test_first_rows__has_each_image_once(rows: pa.Table) -> None:
    found = first_rows(sorted_by_face(rows))
    assert found["image_id"].to_pylist() == ["a.jpg", "b#1.jpg", "b.jpg"]
    assert found["face"].to_pylist() == [0, None, 1]
    assert first_rows(found.slice(0, 0)).num_rows == 0


def test_face_rows__a_table_without_faces_has_one_row_for_each_image() -> None:
    rows = pa.table({"image_id": ["b.jpg", "a.jpg"]})
    assert key_columns(rows.column_names) == ["image_id"]
    assert sorted_by_face(rows)["image_id"].to_pylist() == ["a.jpg", "b.jpg"]
    assert first_rows(rows) is rows
    assert face_names(rows).equals(rows["image_id"])
    np.testing.assert_array_equal(face_numbers(rows), [0, 0])
