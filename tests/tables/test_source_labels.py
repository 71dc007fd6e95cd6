"""Label tables of several sources, joined to the images of one landmark table."""

from pathlib import Path

import pyarrow as pa
import pytest

from faceml.config.config_error import ConfigError
from faceml.tables.label_table import JoinedLabels
from faceml.tables.source_labels import join_source_labels

IMAGES = ["affect/0/a.jpg", "affect/0/b.jpg", "affect/1/c.jpg", "casia/7/a.jpg", "raf/a.jpg", "raf/b.jpg"]


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    files = {
        "affect": "image_id,mood,valence,split\n0/a.jpg,happy,1,train\n./0/b.jpg,sad,,val\n9/z.jpg,sad,0,\n",
        "raf": "image_id,mood,age\na.jpg,fear,30\na.jpg,fear,31\nb.jpg,,7\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text)
    return {name: str(tmp_path / f"{name}.csv") for name in files}


def join(places: dict[str, str], *columns: str, others: int = 0) -> JoinedLabels:
    rows = pa.table({"image_id": IMAGES[others:]})
    return join_source_labels(
        rows, places, columns, "image_id", pa.chunked_array([IMAGES[:others]], pa.string())
    )


def test_join_source_labels__unites_columns_by_name(places: dict[str, str]) -> None:
    joined = join(places, "mood", "valence", "age")
    assert joined.rows.to_pydict() == {
        "image_id": IMAGES,
        "mood": ["happy", "sad", None, None, "fear", None],
        "valence": [1, None, None, None, None, None],
        "age": [None, None, None, None, None, 7],
    }
    assert joined.counts.as_plain() == {
        "images_without_labels": {"number": 1, "names": ["affect/1/c.jpg"]},
        "labels_without_images": {"number": 1, "names": ["affect/9/z.jpg"]},
        "doubles": {"number": 0, "names": []},
        "contradictions": {"number": 1, "names": ["raf/a.jpg"]},
        "unlabelled_faces": {"number": 0, "names": []},
    }
    assert join(places, "split", others=2).counts.labels_without_images.number == 1


def test_join_source_labels__numbers_and_columns_without_values_fit(places: dict[str, str]) -> None:
    Path(places["raf"]).write_text("image_id,mood,valence\na.jpg,,0.5\nb.jpg,,\n")
    joined = join(places, "mood", "valence")
    assert joined.rows["mood"].to_pylist() == ["happy", "sad", None, None, None, None]
    assert joined.rows["valence"].to_pylist() == [1.0, None, None, None, 0.5, None]


@pytest.mark.parametrize(
    ("raf", "columns", "message"),
    [
        ("image_id,mood\na.jpg,3\n", ["mood"], "labels: the column 'mood' has values of type string in "
                                               "AFFECT and int64 in RAF. Give it values of one type"),
        ("image_id,mood\na.jpg,fear\n", ["pose"], "labels: no label table has a column 'pose'. AFFECT has "
                                                  "image_id, mood, valence, split; RAF has image_id, mood."),
        ("image_id,mood\nraf/a.jpg,fear\n", ["mood"], "RAF: no image has a row in the label table: its "
                                                      "column 'image_id' has 'raf/a.jpg', an image is"),
        ("name,mood\na.jpg,fear\n", ["mood"], "RAF: the label table has no column 'image_id'"),
    ],
)  # fmt: skip
def test_join_source_labels__mistakes_are_named(
    raf: str, columns: list[str], message: str, places: dict[str, str]
) -> None:
    Path(places["raf"]).write_text(raf)
    with pytest.raises(ConfigError) as raised:
        join(places, *columns)
    found = str(raised.value).replace(places["raf"], "RAF").replace(places["affect"], "AFFECT")
    assert found.startswith(message)
    assert "\n" not in found


def test_join_source_labels__a_source_without_images_is_named(places: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"^labels\.afect: the landmark table has no image of a"):
        join({"afect": places["affect"], "raf": places["raf"]}, "mood")


def test_join_source_labels__of_faces_and_of_images(tmp_path: Path) -> None:
    keys = [("aff/0/a.jpg", 0), ("aff/0/a.jpg", 1), ("raf/a.jpg", 0), ("raf/a.jpg", 1), ("new/a.jpg", 1)]
    names, numbers = zip(*keys, strict=True)
    rows = pa.table({"image_id": names, "face": pa.array(numbers, pa.int16())})
    places = {"aff": str(tmp_path / "aff.csv"), "raf": str(tmp_path / "raf.csv")}
    (tmp_path / "aff.csv").write_text("image_id,face,mood\n0/a.jpg,1,happy\n")
    (tmp_path / "raf.csv").write_text("image_id,mood\na.jpg,sad\n")
    joined = join_source_labels(rows, places, ["mood"], "image_id", pa.chunked_array([[]], pa.string()))
    assert joined.rows["mood"].to_pylist() == [None, "happy", "sad", None, None]
    assert joined.counts.unlabelled_faces.names == ("raf/a.jpg#1",)
    assert joined.counts.images_without_labels.names == ("aff/0/a.jpg",)
