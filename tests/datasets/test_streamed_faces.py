"""Faces made from streamed rows, compared with those of the data set."""

from pathlib import Path

import numpy as np
import pytest
import torch

from faceml.datasets.face_columns import training_columns
from faceml.datasets.face_dataset import FaceDataset
from faceml.datasets.image_source import ImageFiles
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.streamed_faces import collate_columns, decode_rows
from faceml.errors import StoppedError
from faceml.images.decoding import encode_jpeg
from faceml.tables.landmark_table import read_table, write_shard
from faceml.tables.schema import landmark_schema, table_metadata

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
def test_decode_rows__are_the_faces_of_the_data_set(from_copies: bool, folder: Path) -> None:
    table, images = folder / "table", None if from_copies else folder / "images"
    faces = FaceDataset(table, images, 5, Preprocessing(32), folder / "cache")
    columns = training_columns(table, 5, from_copies=from_copies)
    assert ("crop_box" in columns) == from_copies
    rows = read_table(table, [*columns, "image_jpeg"])
    shuffled = rows.take([4, 0, 3, 5, 1])
    files = ImageFiles(images) if images else None
    batch = collate_columns(decode_rows(shuffled, str(table), files, 5, Preprocessing(32)), faces.image_ids)
    assert batch.position.tolist() == [3, 0, 4, 1], "without the undecodable one"
    expected = faces.__getitems__(batch.position.tolist())
    for found, wanted in zip(batch, expected, strict=True):
        assert found.dtype == wanted.dtype
        assert torch.equal(found, wanted)


def test_decode_rows__an_image_that_changed_is_named(folder: Path, tmp_path: Path) -> None:
    rows = read_table(folder / "table", ["folder", "status", "landmarks_5"]).slice(2, 1)
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "a.jpg").write_bytes(b"text")
    with pytest.raises(StoppedError, match=r"^2/a\.jpg: undecodable, but the landmark table"):
        decode_rows(rows, str(folder / "table"), ImageFiles(tmp_path), 5, Preprocessing(32))
