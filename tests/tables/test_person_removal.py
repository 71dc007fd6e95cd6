"""A person is gone from every table, and everybody else is there bit for bit."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from faceml.config.config_error import ConfigError
from faceml.images.decoding import encode_jpeg
from faceml.prediction.prediction_files import prediction_table_schema
from faceml.storage.folder import StorageFolder
from faceml.tables.face_rows import face_names
from faceml.tables.image_copies import ImageCopies
from faceml.tables.landmark_table import write_shard
from faceml.tables.manifest import PLAN_FILE, read_manifest
from faceml.tables.person_removal import forget_person
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.sorted_rows import read_table
from faceml.tables.table_images import IMAGES_FILE, update_manifest
from tests.crowd_table import write_crowd_table
from tests.default_tasks import default_pair

SCHEMA = landmark_schema(table_metadata({"name": "test"}, {}, "0"), with_image=True)


def row(image_id: str, content: str) -> dict[str, Any]:
    digest = hashlib.sha256(content.encode()).digest()
    copy = encode_jpeg(np.full((8, 8, 3), digest[0], dtype=np.uint8), 90)
    folder = image_id.partition("/")[0]
    return {
        "image_id": image_id, "folder": folder, "status": "ok", "content_sha256": digest, "image_jpeg": copy
    }  # fmt: skip


@pytest.fixture
def tables(tmp_path: Path) -> list[str]:
    """People, Ann in two shards of three, and the same people by expression, one photo of Ann among them."""
    people, expressions = tmp_path / "people", tmp_path / "expressions"
    write_shard([row("Ann/1.jpg", "a1"), row("Bob/1.jpg", "b1")], SCHEMA, people / "a.parquet")
    write_shard([row("Ann/2.jpg", "a2")], SCHEMA, people / "b.parquet")
    write_shard([row("Cid/1.jpg", "c1")], SCHEMA, people / "c.parquet")
    write_shard([row("3/x.jpg", "a2"), row("4/y.jpg", "b1")], SCHEMA, expressions / "a.parquet")
    return [str(people), str(expressions)]


def test_forget_person__takes_their_photos_out_under_any_name(tables: list[str], tmp_path: Path) -> None:
    before = {table: read_table(table) for table in tables}
    people, expressions = forget_person("Ann", tables, [tmp_path / "cache"])
    assert people.images == ["Ann/1.jpg", "Ann/2.jpg"]
    assert expressions.images == ["3/x.jpg"]
    assert sorted(file.name for file in Path(tables[0]).glob("*.parquet")) == ["a.parquet", "c.parquet"]
    for table, kept in zip(tables, (["Bob/1.jpg", "Cid/1.jpg"], ["4/y.jpg"]), strict=True):
        after = read_table(table)
        assert after["image_id"].to_pylist() == kept
        places = [before[table]["image_id"].to_pylist().index(name) for name in kept]
        assert after.equals(before[table].take(places))
        assert after.schema.metadata == before[table].schema.metadata


def test_forget_person__takes_them_out_of_a_gallery_of_embeddings_too(
    tables: list[str], tmp_path: Path
) -> None:
    def predicted(image_id: str, content: str, value: float) -> dict[str, Any]:
        face = {"box": [0, 0, 1, 1], "expression": "happy", "probabilities": [0.125] * 8}
        face |= {"landmarks": [value] * 10, "embedding": [value] * 4}
        return {key: told for key, told in row(image_id, content).items() if key != "image_jpeg"} | {
            "faces": [face]
        }

    gallery = tmp_path / "gallery"
    schema = prediction_table_schema(default_pair(), 4, table_metadata({"name": "test"}, {}, "0"))
    rows = [predicted("Ann/9.jpg", "a9", 0.5), predicted("Bob/2.jpg", "b2", 0.25)]
    write_shard([*rows, predicted("misc/z.jpg", "a1", 0.75)], schema, gallery / "a.parquet")
    before = read_table(str(gallery))
    *_, found = forget_person("Ann", [*tables, str(gallery)], [tmp_path / "cache"])
    assert found.images == ["Ann/9.jpg", "misc/z.jpg"]
    assert read_table(str(gallery)).equals(before.slice(1, 1))


def test_forget_person__leaves_no_name_in_the_manifest(tables: list[str], tmp_path: Path) -> None:
    folder = StorageFolder(tables[0])
    update_manifest(folder)
    forget_person("Ann", tables, [tmp_path / "cache"])
    assert pq.read_table(tmp_path / "people" / IMAGES_FILE)["image_id"].to_pylist() == [
        "Bob/1.jpg",
        "Cid/1.jpg",
    ]
    files = folder.listed_files(".parquet")
    assert list(read_manifest(folder, files)) == ["a.parquet", "c.parquet"]


def test_forget_person__removes_the_copies_of_those_tables_alone(tables: list[str], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for table in tables:
        ImageCopies(table, read_table(table)["image_id"], cache).prepare()
    others = set((cache / "copies").iterdir())
    (found,) = forget_person("Bob", tables[:1], [cache])
    assert len(found.copies) == 3  # the images, their index and a lock
    assert {*(cache / "copies").iterdir()} == others - {*found.copies}
    assert len(others) == 6


def test_forget_person__only_says_what_it_would_do(tables: list[str], tmp_path: Path) -> None:
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.parquet")}
    found = forget_person("Ann", tables, [tmp_path / "cache"], dry_run=True)
    assert [each.images for each in found] == [["Ann/1.jpg", "Ann/2.jpg"], ["3/x.jpg"]]
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.parquet")} == before


def test_forget_person__of_one_of_several_sources(tmp_path: Path) -> None:
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"), with_source=True)
    rows = [
        row(name, content) | {"source": name.split("/")[0], "folder": name.split("/")[1]}
        for name, content in (
            ("a/1/x.jpg", "a1"),
            ("a/2/x.jpg", "a2"),
            ("b/1/x.jpg", "b1"),
            ("b/3/y.jpg", "a1"),
        )
    ]
    write_shard(rows, schema, tmp_path / "table" / "a.parquet")
    table, caches = str(tmp_path / "table"), [tmp_path / "cache"]
    with pytest.raises(ConfigError, match=r"^1: is a folder of several sources\. Name one .*: a/1 or b/1\.$"):
        forget_person("1", [table], caches)
    (found,) = forget_person("a/1", [table], caches)
    assert found.images == ["a/1/x.jpg", "b/3/y.jpg"], "and the same photo of the other source"
    (found,) = forget_person("2", [table], caches)
    assert found.images == ["a/2/x.jpg"]
    assert read_table(table)["image_id"].to_pylist() == ["b/1/x.jpg"]


def test_forget_person__in_a_store(tables: list[str], in_s3: Callable[[Path], str], tmp_path: Path) -> None:
    table = in_s3(Path(tables[0]))
    (found,) = forget_person("Ann", [table], [tmp_path / "cache"])
    assert found.images == ["Ann/1.jpg", "Ann/2.jpg"]
    assert read_table(table)["image_id"].to_pylist() == ["Bob/1.jpg", "Cid/1.jpg"]


def test_forget_person__refuses_what_it_cannot_do(tables: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Dan: no image in .* is in a folder of this name"):
        forget_person("Dan", tables)
    with pytest.raises(ConfigError, match="nowhere: no Parquet files"):
        forget_person("Ann", [*tables, str(tmp_path / "nowhere")])
    Path(tables[1], PLAN_FILE).touch()
    with pytest.raises(ConfigError, match="expressions: its extraction is incomplete"):
        forget_person("Ann", tables)
    assert "Ann/1.jpg" in read_table(tables[0])["image_id"].to_pylist()


def test_forget_person__takes_all_faces_of_their_photos_out_of_a_table_of_faces(tmp_path: Path) -> None:
    root = write_crowd_table(tmp_path)
    before = read_table(root / "table")
    (removed,) = forget_person("1", [str(root / "table")], [tmp_path / "cache"])
    assert removed.images == ["1/alone.jpg", "1/three.jpg"]
    after = read_table(root / "table")
    assert face_names(after).to_pylist() == ["0/pair.jpg", "0/pair.jpg#1", "0/text.jpg", "2/nobody.jpg"]
    assert after.equals(before.filter(pc.not_equal(before["folder"], "1")))
