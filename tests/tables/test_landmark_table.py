import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from faceml.config.config_error import ConfigError
from faceml.storage import mapped_tables
from faceml.storage.folder import StorageFolder
from faceml.tables import sorted_rows
from faceml.tables.face_rows import face_names
from faceml.tables.json_export import export_json
from faceml.tables.landmark_table import shard_names, write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.sorted_rows import read_table
from tests.crowd_table import CROWDS, HEIGHT, NAMES, SHAPE, WIDTH, write_crowd_table

METADATA = table_metadata({"name": "test"}, {}, "0.0.1")
SCHEMA = landmark_schema(METADATA)


def row(image_id: str, **values: Any) -> dict[str, Any]:
    return {"image_id": image_id, "folder": image_id.partition("/")[0], "status": "no_face", **values}


def test_write_shard__missing_columns_are_null_and_all_come_back(tmp_path: Path) -> None:
    full = row(
        "0/é.jpg", status="ok", width=3, height=2, num_faces=1, landmarks_5=[0.5] * 10, dhash=2**64 - 1
    )
    write_shard([full, row("0/b.jpg")], SCHEMA, tmp_path / "new" / "a.parquet")
    b, accented = read_table(tmp_path / "new").to_pylist()
    assert {key: value for key, value in b.items() if value is not None} == row("0/b.jpg")
    assert {key: value for key, value in accented.items() if value is not None} == full


def test_write_shard__a_row_that_does_not_fit_leaves_no_file(tmp_path: Path) -> None:
    for wrong in ({"landmarks_5": [0.5] * 9}, {"width": "wide"}, {"content_sha256": b"short"}):
        with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError)):
            write_shard([row("0/a.jpg"), row("0/b.jpg", **wrong)], SCHEMA, tmp_path / "a.parquet")
    assert not list(tmp_path.iterdir())


def test_write_shard__a_failure_keeps_the_shard_that_was_there(tmp_path: Path) -> None:
    write_shard([row("0/a.jpg")], SCHEMA, tmp_path / "a.parquet")
    with pytest.raises(pa.ArrowInvalid):
        write_shard([row("0/b.jpg", landmarks_5=[1.0])], SCHEMA, tmp_path / "a.parquet")
    assert read_table(tmp_path)["image_id"].to_pylist() == ["0/a.jpg"]


def test_read_table__is_sorted_over_all_shards(tmp_path: Path) -> None:
    for name, ids in (("b", ["1/x.jpg", "0/z.jpg"]), ("a", ["0/é.jpg", "1/a.jpg"]), ("c", ["0/a.jpg"])):
        write_shard([row(image_id) for image_id in ids], SCHEMA, tmp_path / f"{name}.parquet")
    assert read_table(tmp_path)["image_id"].to_pylist() == [
        "0/a.jpg",
        "0/z.jpg",
        "0/é.jpg",
        "1/a.jpg",
        "1/x.jpg",
    ]


@pytest.mark.parametrize("columns", [None, ["mesh_33", "status", "mesh_0"]])
def test_read_table__a_large_table_is_the_same_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: list[str] | None
) -> None:
    draw = np.random.default_rng(0)
    for shard in range(4):
        rows = [
            row(
                f"{draw.integers(3)}/{shard}{number}é.jpg",
                face=None if shard % 2 else number % 3,
                status="ok",
                mesh=draw.random(1434).astype(np.float16),
                landmarks_5=draw.random(10),
                content_sha256=draw.bytes(32),
                dhash=int(draw.integers(2**64, dtype=np.uint64)),
            )
            if number % 4
            else row(f"{number}/{shard}{number}.jpg")
            for number in draw.permutation(30).tolist()
        ]
        schema = landmark_schema(METADATA, with_mesh=True, with_faces=True)
        write_shard(rows, schema, tmp_path / f"{shard}.parquet")
    in_memory = read_table(tmp_path, columns)
    monkeypatch.setattr(sorted_rows, "SORTED_IN_MEMORY_ROWS", 0)
    monkeypatch.setattr(mapped_tables, "MOST_IN_MEMORY", 0)
    assert read_table(tmp_path, columns).equals(in_memory)


def test_read_table__only_whole_shards_count(tmp_path: Path) -> None:
    write_shard([row("0/a.jpg")], SCHEMA, tmp_path / "a.parquet")
    (tmp_path / ".b.parquet.77.partial").write_bytes(b"PAR1 half")
    (tmp_path / ".c.parquet").write_bytes(b"PAR1 half")
    (tmp_path / "notes.txt").touch()
    assert shard_names(StorageFolder(tmp_path)) == ["a.parquet"]
    assert read_table(tmp_path).num_rows == 1


def test_read_table__has_the_columns_asked_for_and_the_image(tmp_path: Path) -> None:
    write_shard([row("0/a.jpg")], SCHEMA, tmp_path / "a.parquet")
    assert read_table(tmp_path, ["status", "folder"]).column_names == ["image_id", "status", "folder"]
    assert read_table(tmp_path, ["status", "image_id"]).column_names == ["image_id", "status"]


def test_read_table__a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_shard([row("0/a.jpg")], SCHEMA, tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match=r"has no column image_jpeg \(it has image_id, folder, .*dhash\)"):
        read_table(tmp_path, ["status", "image_jpeg"])


def test_read_table__takes_vertices_of_the_mesh(tmp_path: Path) -> None:
    mesh = np.random.default_rng(0).random((478, 3)).astype(np.float16)
    rows = [row("0/a.jpg", status="ok", mesh=mesh.ravel()), row("0/b.jpg")]
    write_shard(rows, landmark_schema(METADATA, with_mesh=True), tmp_path / "a.parquet")
    found = read_table(tmp_path, ["mesh_477", "status", "mesh_0"])
    assert found.column_names == ["image_id", "mesh_477", "status", "mesh_0"]
    assert found.schema.field("mesh_0").type == pa.list_(pa.float16(), 2)
    assert found["mesh_0"].to_pylist() == [mesh[0, :2].tolist(), None]
    assert found["mesh_477"].to_pylist() == [mesh[477, :2].tolist(), None]


def test_read_table__vertices_of_a_table_without_mesh_name_the_setting(tmp_path: Path) -> None:
    write_shard([row("0/a.jpg")], SCHEMA, tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match=f"{tmp_path}: .* no column mesh.* output.store_mesh: true"):
        read_table(tmp_path, ["mesh_33"])


def test_read_table__does_not_hold_the_mesh_of_all_rows(tmp_path: Path) -> None:
    meshes = pa.array(np.random.default_rng(0).random(500 * 1434).astype(np.float16))
    mesh = pa.FixedSizeListArray.from_arrays(meshes, 1434)
    schema = landmark_schema(METADATA, with_mesh=True)
    columns = {field.name: pa.nulls(500, field.type) for field in schema}
    for shard in range(30):
        names = pa.array([f"{shard}/{image}.jpg" for image in range(500)])
        given = {"image_id": names, "folder": names, "status": names, "mesh": mesh}
        table = pa.Table.from_pydict(columns | given, schema=schema)
        pq.write_table(table, tmp_path / f"{shard}.parquet", use_dictionary=False)
    code = (
        "import sys, pyarrow; from faceml.tables import read_table;"
        "rows = read_table(sys.argv[1], ['mesh_33', 'mesh_263']); assert len(rows) == 15000;"
        "print(pyarrow.default_memory_pool().max_memory())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 30 * mesh.nbytes


def test_read_table__an_empty_or_missing_folder_is_no_table(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ConfigError, match=f"{folder}: no Parquet files"):
            read_table(folder)


def test_read_table__refuses_a_table_that_means_something_else(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image_id": ["0/a.jpg"]}), tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match=f"{tmp_path}/a.parquet: not a landmark table"):
        read_table(tmp_path)
    for key, value, reason in (
        ("faceml.schema_version", "0", "schema version 0"),
        ("faceml.landmark_sets", "{}", "the set of 5 and 10 landmarks"),
    ):
        schema = landmark_schema(METADATA | {key: value})
        # Every shard is looked at: a right one before does not hide the wrong one.
        write_shard([row("0/a.jpg")], landmark_schema(METADATA), tmp_path / "a.parquet")
        write_shard([row("0/b.jpg")], schema, tmp_path / "b.parquet")
        with pytest.raises(ConfigError, match=f"{tmp_path}/b.parquet: {reason}"):
            read_table(tmp_path)


def write_landmarks(folder: Path) -> None:
    """Write a table with the landmarks of one image of two."""
    rows = [row("0/é.jpg", status="ok", landmarks_5=[i / 16 for i in range(10)]), row("0/a.jpg")]
    write_shard(rows, SCHEMA, folder / "table" / "a.parquet")


def test_export_json__has_the_pairs_of_every_image_with_landmarks(tmp_path: Path) -> None:
    write_landmarks(tmp_path)
    assert export_json(tmp_path / "table", tmp_path / "plain.json", 5) == 1
    assert export_json(tmp_path / "table", tmp_path / "rooted.json", 5, Path("/data/train")) == 1
    pairs = [[pytest.approx(2 * i / 16), pytest.approx((2 * i + 1) / 16)] for i in range(5)]
    assert json.loads((tmp_path / "plain.json").read_text(encoding="utf-8")) == {"0/é.jpg": pairs}
    assert json.loads((tmp_path / "rooted.json").read_text(encoding="utf-8")) == {
        "/data/train/0/é.jpg": pairs
    }


@pytest.mark.parametrize("file", ["plain.json", Path("plain.json"), "new/plain.json"])
def test_export_json__takes_relative_places(
    file: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_landmarks(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert export_json("table", file, 5, "faces") == 1
    assert list(json.loads((tmp_path / file).read_text(encoding="utf-8"))) == ["faces/0/é.jpg"]


def test_export_json__of_several_sources(tmp_path: Path) -> None:
    schema = landmark_schema(METADATA, with_source=True)
    row = {"image_id": "a/0/x.jpg", "source": "a", "folder": "0", "status": "ok", "landmarks_5": [0.5] * 10}
    write_shard([row, row | {"image_id": "b/y.jpg", "source": "b"}], schema, tmp_path / "table" / "a.parquet")
    for images, expected in (
        (None, {"a/0/x.jpg", "b/y.jpg"}),
        ({"a": "/one", "b": "s3://two?region=x"}, {"/one/0/x.jpg", "s3://two/y.jpg?region=x"}),
    ):
        export_json(tmp_path / "table", tmp_path / "a.json", 5, images)
        assert set(json.loads((tmp_path / "a.json").read_text())) == expected


def test_read_table__of_all_faces_is_sorted_by_image_and_face(tmp_path: Path) -> None:
    root = write_crowd_table(tmp_path)
    rows = read_table(root / "table", ["status"])
    assert rows.column_names == ["image_id", "face", "status"]
    assert face_names(rows.filter(pc.not_equal(rows["status"], "undecodable"))).to_pylist() == NAMES
    assert rows["face"].to_pylist() == [0, 1, None, 0, 0, 1, 2, None]


def test_export_json__of_all_faces_has_a_list_of_them_for_each_image(tmp_path: Path) -> None:
    root = write_crowd_table(tmp_path)
    assert export_json(root / "table", tmp_path / "landmarks.json", 5) == 3
    written = json.loads((tmp_path / "landmarks.json").read_text())
    assert {image: len(faces) for image, faces in written.items()} == {
        "0/pair.jpg": 2, "1/alone.jpg": 1, "1/three.jpg": 3
    }  # fmt: skip
    for image, faces in written.items():
        for points, (left, top, side) in zip(faces, CROWDS[image], strict=True):
            np.testing.assert_allclose(points, (SHAPE * side + (left, top)) / (WIDTH, HEIGHT), atol=1e-6)
