"""Rows of a landmark table selected by the values of columns."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceml.config.config_error import ConfigError
from faceml.config.loading import parse_config
from faceml.config.sections.split import SplitConfig
from faceml.tables.face_rows import face_names
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.selection import LabelSource, TableSelection, build_selection
from tests.crowd_table import write_crowd_table

SCHEMA = landmark_schema(table_metadata({"name": "test"}, {}, "0"))
NUMBERS = range(6)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of the images 0 to 5 in the folders even and odd, with 0 to 5 faces, in two shards."""
    rows = [
        {
            "image_id": f"{'odd' if number % 2 else 'even'}/{number}.jpg",
            "folder": "odd" if number % 2 else "even",
            "status": "no_face",
            "num_faces": number,
        }
        for number in NUMBERS
    ]
    write_shard(rows[:4], SCHEMA, tmp_path / "table" / "a.parquet")
    write_shard(rows[4:], SCHEMA, tmp_path / "table" / "b.parquet")
    return tmp_path / "table"


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Labels of all images but the last, and of an image that is not in the table."""
    names = [f"{'odd' if number % 2 else 'even'}/{number}.jpg" for number in [*NUMBERS[:-1], 8]]
    columns = {
        "image_id": names,
        "split": ["train", "train", "train", "val", "val", "val"],
        "fold": pa.array([1.0, 2.0, 3.0, 1.0, None, 3.0]),
        "posed": [True, True, False, False, True, False],
        "mood": ["a", "b", "c", "d", "e", "f"],
    }
    pq.write_table(pa.table(columns), tmp_path / "labels.parquet")
    return tmp_path / "labels.parquet"


def select(table: Path, labels: Path | None = None, **where: object) -> TableSelection:
    raw = {"table": str(table), "labels": labels and str(labels), "where": where}
    return build_selection(parse_config(SplitConfig, raw))


def numbers(selection: TableSelection) -> list[int]:
    found: list[int] = selection.read(["num_faces"]).rows["num_faces"].to_pylist()
    return sorted(found)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"folder": "odd"}, [1, 3, 5]),
        ({"folder": ["odd", "even"]}, [0, 1, 2, 3, 4, 5]),
        ({"num_faces": [1, "2"]}, [1, 2]),
        ({"split": "train"}, [0, 1, 2]),
        ({"fold": 3}, [2]),
        ({"fold": [1, "2"]}, [0, 1, 3]),
        ({"posed": True}, [0, 1, 4]),
        ({"posed": "false"}, [2, 3]),
        ({"split": "val", "folder": "even"}, [4]),
        ({"folder": "odd", "posed": [True, False], "split": "train"}, [1]),
    ],
)
def test_read__selects_by_columns_of_both_tables(
    where: dict[str, object], expected: list[int], table: Path, labels: Path
) -> None:
    assert numbers(select(table, labels, **where)) == expected


def test_read__joins_columns_of_the_label_table_to_the_selected_rows(table: Path, labels: Path) -> None:
    found = select(table, labels, folder="odd").read(["status", "mood"])
    assert found.rows.to_pylist() == [
        {"image_id": f"odd/{number}.jpg", "status": "no_face", "mood": mood}
        for number, mood in ((1, "b"), (3, "d"), (5, None))
    ]
    assert found.table_rows == 6
    assert found.label_counts is not None
    counts = found.label_counts.as_plain()
    # Labels of images that are not selected belong to an image, and only selected images lack labels.
    assert counts["labels_without_images"] == {"number": 1, "names": ["even/8.jpg"]}
    assert counts["images_without_labels"] == {"number": 1, "names": ["odd/5.jpg"]}
    assert select(table, labels, folder="odd").read(["status"]).label_counts is None, "it is not read"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"splt": "train"}, r"where\.splt: there is no such column\. TABLE has image_id, .*; LABELS has "
                            r"image_id, split, fold, posed, mood\."),
        ({"split": ["train", "tset"]}, r"where\.split: no row of TABLE has the value 'tset'\. The values "
                                       r"are 'train' \(3 rows\), 'val' \(2 rows\), null \(1 rows\)\."),
        ({"split": "val", "folder": "odd", "fold": 2}, r"where\.fold: no row of TABLE where folder: odd, "
                                                       r"split: val has the value '2'\. The values are '1'"),
        ({"landmarks_5": 1}, r"where\.landmarks_5: the column of TABLE has values of type .*text, numbers"),
        ({"content_sha256": "a"}, r"where\.content_sha256: the column of TABLE has values of type"),
    ],
)  # fmt: skip
def test_read__mistakes_are_named(where: dict[str, object], message: str, table: Path, labels: Path) -> None:
    expected = message.replace("TABLE", str(table)).replace("LABELS", str(labels))
    with pytest.raises(ConfigError, match=f"^{expected}") as raised:
        select(table, labels, **where).read([])
    assert "\n" not in str(raised.value)


def test_read__a_column_of_no_table_names_those_of_the_only_one(table: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^where\.split: there is no such column\. .* has image_id, .*dhash\.$"
    ):
        select(table, None, split="train").read([])


def test_str__names_the_rows(table: Path) -> None:
    assert str(select(table)) == str(table)
    assert str(select(table, split="val", fold=[1, 2])) == f"{table} where split: val, fold: 1 or 2"


def test_read__of_all_faces_selects_by_face_and_by_labels_of_faces(tmp_path: Path) -> None:
    table = str(write_crowd_table(tmp_path) / "table")

    def names(where: dict[str, list[str]], labels: LabelSource | None = None) -> list[str]:
        found: list[str] = face_names(TableSelection(table, where, labels).read(["status"]).rows).to_pylist()
        return found

    assert names({"face": ["0"]}) == ["0/pair.jpg", "1/alone.jpg", "1/three.jpg"]
    assert names({"face": ["1", "2"]}) == ["0/pair.jpg#1", "1/three.jpg#1", "1/three.jpg#2"]
    labels = tmp_path / "labels.csv"
    labels.write_text("image_id,face,split\n0/pair.jpg,1,val\n1/three.jpg,2,val\n1/three.jpg,0,train\n")
    assert names({"split": ["val"]}, LabelSource(str(labels))) == ["0/pair.jpg#1", "1/three.jpg#2"]
    labels.write_text("image_id,split\n0/pair.jpg,val\n1/three.jpg,val\n")
    assert names({"split": ["val"]}, LabelSource(str(labels))) == ["0/pair.jpg", "1/three.jpg"]
