"""Faces made from streamed rows, compared with those of the data set."""

from pathlib import Path

import numpy as np
import pytest

from faceml.config.sections.tasks import parse_tasks
from faceml.datasets.face_dataset import FaceDataset
from faceml.datasets.image_source import ImageFiles
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.streamed_faces import collate_columns, decode_rows, streamed_columns
from faceml.datasets.table_rows import crop_margin, training_columns
from faceml.errors import StoppedError
from faceml.images.decoding import encode_jpeg
from faceml.tables.label_table import NamedCount
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.selection import TableSelection
from faceml.tables.sorted_rows import read_table
from faceml.tasks.build import build_tasks
from tests.crowd_table import write_crowd_table
from tests.default_tasks import assert_same_faces, default_pair

STATUSES = ("ok", "no_face", "ok", "undecodable", "ok", "ok")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table whose copies show a part of each image, and the images."""
    root, rng = tmp_path_factory.mktemp("stream"), np.random.default_rng(3)
    rows = []
    for number, status in enumerate(STATUSES):
        row = {"image_id": f"{number}/a.jpg", "folder": str(number), "status": status}
        picture = encode_jpeg(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8), 90)
        file = root / "images" / row["image_id"]
        file.parent.mkdir(parents=True)
        file.write_bytes(picture)
        if status != "undecodable":
            row["image_jpeg"] = picture
        if status == "ok":
            row |= {f"landmarks_{n}": rng.random(2 * n, dtype=np.float32) for n in (5, 10)}
            row["crop_box"] = None if number == 4 else [0.1, 0.2, 0.7, 0.9]
        rows.append(row)
    metadata = table_metadata({"name": "test"}, {"output": {"embed": {"crop": {"margin": 0.2}}}}, "0")
    write_shard(
        rows, landmark_schema(metadata, with_image=True, with_crop=True), root / "table" / "a.parquet"
    )
    return root


@pytest.mark.parametrize("from_copies", [False, True])
@pytest.mark.parametrize("leave_out", [(), ("4", "1")])
def test_decode_rows__are_the_faces_of_the_data_set(
    leave_out: tuple[str, ...], from_copies: bool, folder: Path
) -> None:
    table, images = folder / "table", None if from_copies else folder / "images"
    expression = {"kind": "classification", "classes": ["a", "b", "c", "d", "e", "f"], "leave_out": leave_out}
    tasks = build_tasks(parse_tasks({"expression": expression, "landmarks": {"kind": "landmarks"}}))
    faces = FaceDataset(table, images, 5, Preprocessing(32), list(tasks.values()), cache=folder / "cache")
    assert faces.num_excluded == len(leave_out)
    columns = training_columns(table, 5, from_copies=from_copies)
    assert ("crop_box" in columns) == from_copies
    shuffled = read_table(table, [*columns, "image_jpeg"]).take([4, 0, 3, 5, 1])
    files = ImageFiles(images) if images else None
    keys = None if faces.is_whole_table else faces.keys
    decoded = decode_rows(shuffled, str(table), files, Preprocessing(32), keys)
    batch = collate_columns(decoded, faces.keys, faces.targets)
    if leave_out:
        assert batch.position.tolist() == [0, 2], "without the undecodable one and the classes left out"
    else:
        assert batch.position.tolist() == [3, 0, 4, 1], "without the undecodable one"
    assert_same_faces(batch, faces.__getitems__(batch.position.tolist()))


def test_decode_rows__only_of_the_selected_rows(folder: Path) -> None:
    selection = TableSelection(str(folder / "table"), {"folder": ["2", "3", "5"]})
    faces = FaceDataset(selection, folder / "images", 5, Preprocessing(32))
    rows = read_table(folder / "table", ["status"])
    files = ImageFiles(folder / "images")
    decoded = decode_rows(rows, selection.table, files, Preprocessing(32), faces.keys)
    assert decoded["image_id"].tolist() == list(faces.image_ids) == ["2/a.jpg", "5/a.jpg"]
    assert faces.left_out == {"undecodable": NamedCount(1, ("3/a.jpg",))}


def test_decode_rows__an_image_that_changed_is_named(folder: Path, tmp_path: Path) -> None:
    rows = read_table(folder / "table", ["status"]).slice(2, 1)
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "a.jpg").write_bytes(b"text")
    with pytest.raises(StoppedError, match=r"^2/a\.jpg: undecodable, but the landmark table"):
        decode_rows(rows, str(folder / "table"), ImageFiles(tmp_path), Preprocessing(32))


@pytest.mark.parametrize("from_copies", [False, True])
def test_decode_rows__of_all_faces_are_those_of_the_data_set(from_copies: bool, tmp_path: Path) -> None:
    root = write_crowd_table(tmp_path)
    images = None if from_copies else root / "images"
    selection = TableSelection(str(root / "table"), {"folder": ["0", "1"]})
    tasks = list(default_pair().values())
    faces = FaceDataset(selection, images, 5, Preprocessing(32), tasks, cache=root / "cache")
    rows = read_table(root / "table", streamed_columns(selection.table, from_copies=from_copies))
    shuffled = rows.take([6, 1, 4, 0, 7, 5, 2, 3])
    margin = None if from_copies else crop_margin(selection.table)
    files = ImageFiles(images) if images else None
    decoded = decode_rows(shuffled, selection.table, files, Preprocessing(32), faces.keys, margin)
    batch = collate_columns(decoded, faces.keys, faces.targets)
    assert batch.position.tolist() == [5, 1, 3, 0, 4, 2]
    assert_same_faces(batch, faces.__getitems__(batch.position.tolist()))
