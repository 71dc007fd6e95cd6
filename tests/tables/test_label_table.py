import gzip
import json
import logging
import math
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from faceml.config.config_error import ConfigError
from faceml.errors import StoppedError
from faceml.tables import queries
from faceml.tables.label_table import JoinedLabels, NamedCount, join_labels
from faceml.tables.queries import QueryLimits

NONE = NamedCount(0, ())


def images(*names: str) -> pa.Table:
    return pa.table({"image_id": pa.array(names, pa.string()), "status": ["ok"] * len(names)})


def write(folder: Path, text: str | bytes, name: str = "labels.csv") -> str:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return str(folder / name)


def parquet(folder: Path, name: str = "labels.parquet", **columns: Any) -> str:
    pq.write_table(pa.table(columns), folder / name)
    return str(folder / name)


def column(joined: JoinedLabels, name: str) -> list[Any]:
    values: list[Any] = joined.rows[name].to_pylist()
    return values


def complaint(place: str, columns: Sequence[str] = ("a",), key: str = "image_id") -> str:
    with pytest.raises(ConfigError) as raised:
        join_labels(images("0/a.jpg", "0/b.jpg"), place, columns, key)
    assert "\n" not in str(raised.value)
    return str(raised.value).replace(place, "PLACE")


def test_join_labels__appends_columns_in_the_order_of_the_rows(tmp_path: Path) -> None:
    place = write(tmp_path, "image_id,a,unused,b\n1/z.jpg,3,x,0.5\n0/a.jpg,1,y,\n0/é.jpg,,z,1e-3\n")
    rows = images("1/z.jpg", "0/none.jpg", "0/é.jpg", "0/a.jpg")
    joined = join_labels(rows, place, ["b", "a"])
    assert joined.rows.column_names == ["image_id", "status", "b", "a"]
    assert joined.rows.select(["image_id", "status"]).equals(rows)
    assert column(joined, "a") == [3, None, None, 1]
    assert column(joined, "b") == [0.5, None, 1e-3, None]
    assert joined.counts.images_without_labels == NamedCount(1, ("0/none.jpg",))
    assert joined.counts.labels_without_images == joined.counts.doubles == NONE


def test_join_labels__csv_columns_have_the_narrowest_type_of_all_their_values(tmp_path: Path) -> None:
    cells = {
        "whole": ("1", "-2", pa.int64(), [1, -2]),
        "number": ("1", "2.5", pa.float64(), [1.0, 2.5]),
        "nan": ("nan", "2", pa.float64(), [None, 2.0]),
        "huge": ("1", "9" * 30, pa.float64(), [1.0, 1e30]),
        "logical": ("True", "false", pa.bool_(), [True, False]),
        "words": ("yes", "no", pa.string(), ["yes", "no"]),
        "codes": ("007", "8", pa.string(), ["007", "8"]),
        "mixed": ("1", "true", pa.string(), ["1", "true"]),
        "date": ("2020-01-01", "2020-01-02", pa.string(), ["2020-01-01", "2020-01-02"]),
        "quoted": ('"a,""b"', '"x\ny"', pa.string(), ['a,"b', "x\ny"]),
        "blank": ("", '" "', pa.float64(), [None, None]),
        "hex": ("0x10", "1_0", pa.string(), ["0x10", "1_0"]),
    }
    lines = [",".join(["image_id", *cells])]
    lines += [",".join([f"{row:04}", *(cell[row] for cell in cells.values())]) for row in (0, 1)]
    joined = join_labels(images("0000", "0001"), write(tmp_path, "\n".join(lines)), list(cells))
    for name, (_, _, kind, values) in cells.items():
        assert (joined.rows.schema.field(name).type, column(joined, name)) == (kind, values), name


def test_join_labels__a_value_far_down_decides_the_type(tmp_path: Path) -> None:
    lines = [f"{row},{row}\n" for row in range(30_000)]
    joined = join_labels(
        images("7", "30000"), write(tmp_path, f"image_id,a\n{''.join(lines)}30000,0.5"), ["a"]
    )
    assert column(joined, "a") == [7.0, 0.5]


@pytest.mark.parametrize(
    "text",
    [
        b"image_id;a\n0/a.jpg;1\n0/b.jpg;2\n",
        b"image_id\ta\r\n0/a.jpg\t1\r\n\r\n0/b.jpg\t2\r\n",
        b"\xef\xbb\xbfimage_id, a\n0/a.jpg, 1\n 0/b.jpg, 2",
        b'"a","image_id"\n"1","0/a.jpg"\n"2","0/b.jpg"\n',
        b",image_id,A,a,\n0,0/a.jpg,9,1,\n1,0/b.jpg,9,2,\n",
        b"image_id,a\r0/a.jpg,1\r0/b.jpg,2\r",
    ],
)
def test_join_labels__reads_every_form_of_csv(tmp_path: Path, text: bytes) -> None:
    for place in (
        write(tmp_path, text),
        write(tmp_path, gzip.compress(text), "labels.csv.gz"),
        write(tmp_path, text, "l*[1]?.TSV"),
    ):
        write(tmp_path, b"image_id,a\n0/a.jpg,8\n", "lx1y.TSV")  # what the last name matches as a pattern
        assert column(join_labels(images("0/b.jpg", "0/a.jpg"), place, ["a"]), "a") == [2, 1]


def test_join_labels__keeps_the_types_of_parquet(tmp_path: Path) -> None:
    votes = pa.array([[0.5, 0.5], None, [1, 0]], pa.list_(pa.float32(), 2))
    values = {
        "half": (pa.array(np.array([0.5, math.nan, 2], np.float16)), pa.float32(), [0.5, None, 2.0]),
        "small": (pa.array([1, None, 255], pa.uint8()), pa.uint8(), [1, None, 255]),
        "decimal": (pa.array(["0.5", None, "1"]).cast(pa.decimal128(5, 2)), pa.float64(), [0.5, None, 1.0]),
        "category": (pa.array(["x", None, "x"]).dictionary_encode(), pa.string(), ["x", None, "x"]),
        "large": (pa.array(["x", None, "y"], pa.large_string()), pa.string(), ["x", None, "y"]),
        "blank": (pa.array(["x", " ", ""]), pa.string(), ["x", None, None]),
        "logical": (pa.array([True, None, False]), pa.bool_(), [True, None, False]),
        "nothing": (pa.nulls(3), pa.float64(), [None, None, None]),
        "votes": (votes, pa.list_(pa.float32(), 2), [[0.5, 0.5], None, [1.0, 0.0]]),
        "lists": (pa.array([[1, 2], [], [3]]), pa.list_(pa.int64()), [[1, 2], None, [3]]),
        "gaps": (
            pa.array([[1.0, None], [math.nan], [3.0]], pa.large_list(pa.float64())),
            pa.list_(pa.float64()),
            [None, None, [3.0]],
        ),
    }
    place = parquet(tmp_path, file=["c", "b", "a"], **{name: given[0] for name, given in values.items()})
    joined = join_labels(images("a", "b", "c"), place, list(values), "file")
    for name, (_, kind, expected) in values.items():
        assert joined.rows.schema.field(name).type == kind, name
        assert column(joined, name) == expected[::-1], name


def test_join_labels__reads_a_folder_of_parquet_files_with_columns_of_any_of_them(tmp_path: Path) -> None:
    parquet(tmp_path, "1.parquet", image_id=["a", "b"], valence=[1, 2])
    parquet(tmp_path, "2.parquet", image_id=["b", "c"], expression=["sad", "happy"])
    parquet(tmp_path, "3.parquet", image_id=["d"], valence=[0.5])
    write(tmp_path, "left out", ".4.parquet")
    joined = join_labels(images("a", "b", "c", "d"), str(tmp_path), ["valence", "expression"])
    assert column(joined, "valence") == [1.0, 2.0, None, 0.5]
    assert column(joined, "expression") == [None, "sad", "happy", None]
    assert joined.counts.doubles == NamedCount(1, ("b",)), "its rows complete each other"


def test_join_labels__reads_an_object_store(tmp_path: Path, in_s3: Callable[[Path], str]) -> None:
    write(tmp_path, "image_id,a\n0/a.jpg,1\n", "labels set.csv")
    parquet(tmp_path, "1.parquet", image_id=["0/a.jpg"], a=[2])
    folder, _, parameters = in_s3(tmp_path).partition("?")
    for name, value in (("", 2), ("/1.parquet", 2), ("/labels%20set.csv", 1)):
        assert column(join_labels(images("0/a.jpg"), f"{folder}{name}?{parameters}", ["a"]), "a") == [value]
    assert "no such label table" in complaint(f"{folder}/other.csv?{parameters}")


def test_join_labels__a_key_may_be_spelt_as_data_sets_do(tmp_path: Path) -> None:
    keys = ["./0/a.jpg", "././0/b.jpg", "0\\c.jpg", ".\\0\\d.jpg", " 0/e.jpg ", ".hidden/f.jpg", "0/.g.jpg"]
    names = [*(f"0/{letter}.jpg" for letter in "abcde"), ".hidden/f.jpg", "0/.g.jpg"]
    lines = [f"{key},{row}\n" for row, key in enumerate(keys)]
    for place in (
        write(tmp_path, f"image_id,a\n{''.join(lines)}"),
        parquet(tmp_path, image_id=keys, a=range(len(keys))),
    ):
        assert column(join_labels(images(*names), place, ["a"]), "a") == list(range(len(keys)))


def test_join_labels__other_keys_are_not_guessed(tmp_path: Path) -> None:
    keys = ["A.jpg", "0/A.jpg", "x/0/a.jpg", "..0/a.jpg", ".0/a.jpg", "", " "]
    lines = [f'"{key}",1\n' for key in keys]
    place = write(tmp_path, f"image_id,a\n{''.join(lines)}0/b.jpg,2\n")
    joined = join_labels(images("0/a.jpg", "0/b.jpg"), place, ["a"])
    assert column(joined, "a") == [None, 2]
    assert joined.counts.labels_without_images == NamedCount(6, ("(empty)", "..0/a.jpg", ".0/a.jpg"))


def test_join_labels__keys_may_be_integers(tmp_path: Path) -> None:
    place = parquet(tmp_path, number=pa.array([12, None, 3]), a=["x", "y", "z"])
    assert column(join_labels(images("3", "12", "012"), place, ["a"], "number"), "a") == ["z", "x", None]


def test_join_labels__the_key_may_be_a_value_too(tmp_path: Path) -> None:
    joined = join_labels(images("x"), write(tmp_path, "file,a\nx,1\n"), ["file", "a", "file"], "file")
    assert joined.rows.slice(0, 1).to_pylist() == [{"image_id": "x", "status": "ok", "file": "x", "a": 1}]


def test_join_labels__counts_doubles_and_contradictions(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = "image_id,a,b\ntwice,1,x\n./twice,1,x\n"
    table += "completed,1,\ncompleted,,x\ncontradicted,1,x\ncontradicted,1,y\ncontradicted,2,x\nonce,1,x\n"
    table += "".join(f"far{row},1,x\n" * 2 for row in range(4))
    rows = images("once", "contradicted", "missing", "completed", "twice")
    joined = join_labels(rows, write(tmp_path, table), ["a", "b"])
    assert column(joined, "a") == [1, None, None, 1, 1]
    assert column(joined, "b") == ["x", None, None, "x", "x"]
    assert joined.counts.as_plain() == {
        "images_without_labels": {"number": 1, "names": ["missing"]},
        "labels_without_images": {"number": 4, "names": ["far0", "far1", "far2"]},
        "doubles": {"number": 2, "names": ["completed", "twice"]},
        "contradictions": {"number": 1, "names": ["contradicted"]},
        "unlabelled_faces": {"number": 0, "names": []},
    }
    assert json.loads(json.dumps(joined.counts.as_plain())) == joined.counts.as_plain()
    joined.counts.log("labels.csv")
    logged = [record.getMessage().partition(": ")[2] for record in caplog.records]
    assert logged == [
        "1 images have no row in the label table (missing): they have no targets of it.",
        "4 image names of the label table belong to no image (far0, far1, far2, …): they are not used.",
        "2 images have several rows of equal values in the label table (completed, twice): each counts once.",
        "1 images have rows of different values in the label table (contradicted): those values count as "
        "unknown.",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_join_labels__a_column_that_is_not_asked_for_contradicts_nothing(tmp_path: Path) -> None:
    joined = join_labels(images("x"), write(tmp_path, "image_id,a,b\nx,1,2\nx,1,3\n"), ["a"])
    assert (column(joined, "a"), joined.counts.doubles.number) == ([1], 1)


def test_join_labels__without_differences_nothing_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    joined = join_labels(images("x"), write(tmp_path, "image_id\nx\n"), [])
    assert joined.rows.equals(images("x"))
    assert not caplog.records


def test_join_labels__without_images_there_is_nothing_to_match(tmp_path: Path) -> None:
    joined = join_labels(images(), write(tmp_path, "image_id,a\nx,1\n"), ["a"])
    assert (joined.rows.num_rows, joined.rows.column_names[-1]) == (0, "a")


def test_join_labels__no_match_shows_a_key_of_each_side(tmp_path: Path) -> None:
    assert complaint(write(tmp_path, "image_id,a\nManually_Annotated_Images/0/a.jpg,1\n")) == (
        "PLACE: no image has a row in the label table: its column 'image_id' has "
        "'Manually_Annotated_Images/0/a.jpg', an image is called '0/a.jpg'. Name the column of the images' "
        "names with labels.key, or change its values to paths below the image folder."
    )
    assert complaint(write(tmp_path, "image_id,a\n")) == "PLACE: the label table has no rows."


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("l.csv", "image_id,b\nx,1\n", "PLACE: the label table has no column 'a'. It has image_id, b."),
        ("l.csv", "image_id,a,a\nx,1,2\n", "several columns 'a'. It has image_id, a, a."),
        (
            "l.csv",
            "path,a\nx,1\n",
            "no column 'image_id' of image names. Name that column with labels.key.",
        ),
        ("l.csv", "", "no column 'image_id' of image names."),
        (
            "l.csv",
            "image_id,a\nx,1\ny,2,3\n",
            "CSV Error on Line: 3 .*Columns: 2 Found: 3",
        ),
        ("l.csv", "image_id,a\nx\n", "CSV Error on Line: 2 .*Columns: 2 Found: 1"),
        ("l.csv", 'image_id,a\nx,1\n0/a.jpg,"y\n' + "z,1\n" * 999, r"CSV Error on Line: 3 .*\[\.\.\.\]"),
        ("l.csv", b"image_id,a\nx,\xff\n", "CSV Error on Line: 2 .*[Ii]nvalid unicode"),
        ("l.csv", "image_id,a\nx,1".encode("utf-16"), "line 1: 'utf-8' codec can't decode"),
        ("l.csv.gz", b"image_id,a", "line 1: Not a gzipped file"),
        ("l.parquet", b"image_id,a\nx,1\n", "cannot be read .*Parquet"),
        ("l.xlsx", b"PK", "a label table is a Parquet or CSV file; its name ends in .parquet, .csv"),
    ],
)
def test_join_labels__mistakes_in_the_file_are_named(
    tmp_path: Path, name: str, content: str | bytes, told: str
) -> None:
    found = complaint(write(tmp_path, content, name))
    assert re.search(told, found), found


def test_join_labels__a_missing_file_or_an_empty_folder_is_named(tmp_path: Path) -> None:
    for place in (tmp_path / "a.csv", tmp_path / "none" / "a.parquet"):
        assert complaint(str(place)).startswith("PLACE: no such label table.")
    assert complaint(str(tmp_path)).startswith("PLACE: the folder has no Parquet files.")


def test_join_labels__types_that_labels_cannot_have_are_named(tmp_path: Path) -> None:
    times = pa.array([1], pa.timestamp("us"))
    place = parquet(tmp_path, image_id=["0/a.jpg"], time=times, words=[["x"]], number=[0.5])
    assert "column 'time' holds timestamp[us]; labels are numbers" in complaint(place, ["time"])
    assert "column 'words' holds list<element: string>; labels are" in complaint(place, ["words"])
    told = "column 'number' holds double, not names of images. Name the column of the names with labels.key."
    assert told in complaint(place, ["image_id"][:0], "number")
    folder = tmp_path / "two"
    folder.mkdir()
    parquet(folder, "1.parquet", image_id=["x"], a=["y"])
    parquet(folder, "2.parquet", image_id=["x"], a=[[1]])
    assert "cannot be read" in complaint(str(folder))


def test_join_labels__a_column_of_both_tables_is_refused(tmp_path: Path) -> None:
    place = write(tmp_path, "image_id,status\n0/a.jpg,1\n")
    assert complaint(place, ["status"]) == (
        "PLACE: column 'status' is in the landmark table too. Rename it in the label table."
    )


Rows = list[tuple[str, int | None, float | None]]


def expected_rows(names: Sequence[str], labels: Rows) -> tuple[list[tuple[Any, Any]], list[str], list[str]]:
    """Return the values of each image, and the doubles and contradictions, by a loop over the label rows."""
    values, doubles, contradictions = [], [], []
    for name in names:
        mine = [label for label in labels if label[0] == name]
        seen = [
            {label[place] for label in mine if label[place] is not None and not math.isnan(label[place] or 0)}
            for place in (1, 2)
        ]
        values.append(tuple(next(iter(each)) if len(each) == 1 else None for each in seen))
        if any(len(each) > 1 for each in seen):
            contradictions.append(name)
        elif len(mine) > 1:
            doubles.append(name)
    return values, doubles, contradictions


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_join_labels__agrees_with_a_loop_over_the_rows(tmp_path: Path, suffix: str) -> None:
    generator = random.Random(0)
    labels = [
        (
            f"{generator.randrange(500)}.jpg",
            generator.choice([None, 0, 1]),
            generator.choice([None, 0.5, 0.5, math.nan, 1.25]),
        )
        for _ in range(700)
    ]
    names = [f"{number}.jpg" for number in generator.sample(range(600), 400)]
    table = pa.table(dict(zip(("image_id", "a", "b"), map(list, zip(*labels, strict=True)), strict=True)))
    place = tmp_path / f"labels.{suffix}"
    (pacsv.write_csv if suffix == "csv" else pq.write_table)(table, place)
    joined = join_labels(images(*names), str(place), ["a", "b"])
    values, doubles, contradictions = expected_rows(names, labels)
    assert list(zip(column(joined, "a"), column(joined, "b"), strict=True)) == values
    keys = {label[0] for label in labels}
    for count, expected in (
        (joined.counts.images_without_labels, set(names) - keys),
        (joined.counts.labels_without_images, keys - set(names)),
        (joined.counts.doubles, set(doubles)),
        (joined.counts.contradictions, set(contradictions)),
    ):
        assert count == NamedCount(len(expected), tuple(sorted(expected)[:3]))
        assert len(expected) > 3


def test_join_labels__needs_less_memory_than_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table's 150,000 keys and values take more than the join may hold."""
    monkeypatch.setattr(queries, "MOST_THREADS", 1)
    numbers = np.random.default_rng(0).permutation(150_000)
    votes = np.random.default_rng(1).random((150_000, 64), dtype=np.float32)
    place = parquet(
        tmp_path,
        image_id=[f"folder/{number:06}.jpg" for number in numbers],
        votes=pa.FixedSizeListArray.from_arrays(votes.reshape(-1), 64),
    )
    wanted, limits = numbers[:2000], QueryLimits(memory_gib=1 / 32)
    joined = join_labels(
        images(*(f"folder/{number:06}.jpg" for number in wanted)), place, ["votes"], limits=limits
    )
    found = joined.rows["votes"].combine_chunks().flatten().to_numpy().reshape(-1, 64)
    np.testing.assert_array_equal(found, votes[:2000])
    assert joined.counts.labels_without_images.number == 148_000


def test_join_labels__that_needs_more_memory_than_there_is_stops(tmp_path: Path) -> None:
    place = parquet(tmp_path, image_id=[f"{number:06}" for number in range(50_000)])
    limits = QueryLimits(memory_gib=1 / 1024, spill_folder=tmp_path / "spill")
    with pytest.raises(StoppedError, match=r"spill: no space left for temporary files") as raised:
        join_labels(images("000001"), place, [], limits=limits)
    assert "\n" not in str(raised.value)


def faces(*keys: tuple[str, int | None]) -> pa.Table:
    names, numbers = zip(*keys, strict=True)
    return pa.table({"image_id": names, "face": pa.array(numbers, pa.int16())})


CROWD = faces(("0/a.jpg", 0), ("0/a.jpg", 1), ("0/a.jpg", 2), ("0/b.jpg", None), ("1/c.jpg", 0))


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_join_labels__of_faces(form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = [("0\\a.jpg", 0, "x"), ("0/a.jpg", 1, "y"), ("./0/b.jpg", None, "z"), ("1/c.jpg", 3, "w")]
    names, numbers, values = map(list, zip(*keys, strict=True))
    if form == "csv":
        lines = [f"{name},{'' if face is None else face},{mood}" for name, face, mood in keys]
        place = write(tmp_path, "\n".join(["image_id,face,mood", *lines]))
    else:
        place = parquet(tmp_path, image_id=names, face=pa.array(numbers, pa.float64()), mood=values)
    joined = join_labels(CROWD, place, ["mood"])
    assert joined.rows.column_names == ["image_id", "face", "mood"]
    assert column(joined, "mood") == ["x", "y", None, "z", None]
    assert joined.counts.images_without_labels == NamedCount(2, ("0/a.jpg#2", "1/c.jpg"))
    assert joined.counts.labels_without_images == NamedCount(1, ("1/c.jpg#3",))
    assert joined.counts.unlabelled_faces == NONE
    some = CROWD.slice(0, 1)
    others = pa.chunked_array([["0/a.jpg#1", "0/b.jpg", "1/c.jpg#3"]])
    assert join_labels(some, place, ["mood"], others=others).counts.labels_without_images == NONE


def test_join_labels__of_images_are_those_of_face_0(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = write(tmp_path, "image_id,mood\n0/a.jpg,x\n0/b.jpg,y\n")
    joined = join_labels(CROWD, place, ["mood"])
    assert column(joined, "mood") == ["x", None, None, "y", None]
    assert joined.counts.images_without_labels == NamedCount(1, ("1/c.jpg",))
    assert joined.counts.unlabelled_faces == NamedCount(2, ("0/a.jpg#1", "0/a.jpg#2"))
    joined.counts.log("labels.csv")
    assert (
        "labels.csv: 2 faces have no labels (0/a.jpg#1, 0/a.jpg#2): the label table has no column"
        in caplog.text
    )
    only_further = CROWD.slice(1, 2)
    assert column(join_labels(only_further, place, ["mood"], others=CROWD["image_id"]), "mood") == [None] * 2


def test_join_labels__a_column_face_of_other_values_is_refused(tmp_path: Path) -> None:
    place = write(tmp_path, "image_id,face,mood\n0/a.jpg,left,x\n")
    with pytest.raises(
        ConfigError, match=r"labels\.csv: column 'face' holds string, not the numbers of faces"
    ):
        join_labels(CROWD, place, ["mood"])
    # A table of one face per image has no faces to match, and the column is like any other.
    assert column(join_labels(images("0/a.jpg"), place, ["face"]), "face") == ["left"]
