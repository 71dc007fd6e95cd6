"""Counts of images in batches."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from faceml.datasets.batches import FaceLoader, WatchedBatches, pack, unpack
from faceml.datasets.face_dataset import FaceDataset
from faceml.datasets.labelled_faces import FaceSample
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.targets import Target
from faceml.images.decoding import encode_jpeg
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata

MAKING_S, USING_S = 0.05, 0.02


class SlowBatches:
    """Three batches of four faces, each of which takes its time."""

    def __init__(self) -> None:
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[FaceSample]:
        for _ in range(3):
            time.sleep(MAKING_S)
            yield FaceSample(torch.empty(4, 3, 8, 8), {}, torch.full((4,), self.epoch))


def test_watched_batches__count_images_and_only_the_time_until_they_are_there() -> None:
    slow = SlowBatches()
    watched = WatchedBatches(slow)
    assert len(watched) == 3
    for epoch in (1, 2):
        watched.set_epoch(epoch)
        for batch in watched:
            assert batch.position.tolist() == [epoch] * 4
            time.sleep(USING_S)
        assert watched.images == 12 * epoch
    assert watched.waited_s == pytest.approx(6 * MAKING_S, abs=5 * USING_S)


@pytest.mark.parametrize(("number", "side"), [(1, 32), (7, 33), (32, 48)])
def test_unpack__gives_back_what_was_packed(number: int, side: int) -> None:
    generator = torch.Generator().manual_seed(number)
    images = torch.randint(0, 256, (number, 3, side, side), dtype=torch.uint8, generator=generator)
    positions = 2**40 - torch.arange(number)
    packed = pack(FaceSample(images, {}, positions))
    assert packed.shape == (number * (3 * side * side + 8),)
    found_images, found_positions = unpack(packed, side)
    assert torch.equal(found_images, images)
    assert torch.equal(found_positions, positions)
    assert found_images.untyped_storage().data_ptr() == packed.untyped_storage().data_ptr(), "no copy"


@pytest.mark.parametrize("processes", [0, 2])
def test_face_loader__targets_of_any_tasks_are_those_of_the_positions(processes: int, tmp_path: Path) -> None:
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"))
    rows = [{"image_id": f"0/{i}.jpg", "folder": "0", "status": "no_face"} for i in range(6)]
    write_shard(rows, schema, tmp_path / "table" / "a.parquet")
    for number, row in enumerate(rows):
        file = tmp_path / "images" / row["image_id"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_jpeg(np.full((40, 40, 3), 40 * number, dtype=np.uint8), 90))
    faces = FaceDataset(tmp_path / "table", tmp_path / "images", 5, Preprocessing(32))
    numbers, known = torch.arange(12.0).reshape(6, 2), torch.arange(6) % 2 == 0
    faces.targets["affect"] = Target(numbers, known)
    for batch in FaceLoader(faces, 4, processes, positions=[5, 0, 3, 3, 1]):
        assert torch.equal(batch.targets["affect"].values, numbers[batch.position])
        assert torch.equal(batch.targets["affect"].known, known[batch.position])
        brightness = batch.image.float().mean(dim=(1, 2, 3)) / 40
        assert torch.equal(brightness.round().long(), batch.position)
