"""Counts of images in batches."""

import gc
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from faceml.datasets.batches import FaceLoader, WatchedBatches, pack, unpack
from faceml.datasets.face_dataset import FaceDataset
from faceml.datasets.labelled_faces import FaceSample
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.targets import Target
from faceml.errors import StoppedError
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


def lay_out(folder: Path) -> dict[str, Any]:
    """Make six images, of which each is brighter than the one before, and return the data set's arguments."""
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"))
    rows = [{"image_id": f"0/{i}.jpg", "folder": "0", "status": "no_face"} for i in range(6)]
    write_shard(rows, schema, folder / "table" / "a.parquet")
    for number, row in enumerate(rows):
        file = folder / "images" / row["image_id"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_jpeg(np.full((40, 40, 3), 40 * number, dtype=np.uint8), 90))
    return {
        "table": folder / "table",
        "images": folder / "images",
        "num_landmarks": 5,
        "preprocessing": Preprocessing(32),
    }


@pytest.mark.parametrize("processes", [0, 2])
def test_face_loader__targets_of_any_tasks_are_those_of_the_positions(processes: int, tmp_path: Path) -> None:
    faces = FaceDataset(**lay_out(tmp_path))
    numbers, known = torch.arange(12.0).reshape(6, 2), torch.arange(6) % 2 == 0
    faces.targets["affect"] = Target(numbers, known)
    for batch in FaceLoader(faces, 4, processes, positions=[5, 0, 3, 3, 1]):
        assert torch.equal(batch.targets["affect"].values, numbers[batch.position])
        assert torch.equal(batch.targets["affect"].known, known[batch.position])
        brightness = batch.image.float().mean(dim=(1, 2, 3)) / 40
        assert torch.equal(brightness.round().long(), batch.position)


class HangingFaces(FaceDataset):
    """Data set that gives no image in a loader process."""

    def __getitems__(self, positions: Sequence[int]) -> FaceSample:
        time.sleep(600)
        return super().__getitems__(positions)


def test_face_loader__a_process_that_hangs_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faceml.datasets.batches.LOADER_TIMEOUT_S", 1)
    loader = FaceLoader(HangingFaces(**lay_out(tmp_path)), 4, 1)
    with pytest.raises(StoppedError, match=r"^The loader processes gave no batch for 1 s: .* hangs"):
        list(loader)


class CollectingFaces(FaceDataset):
    """Data set that collects garbage before each batch."""

    def __getitems__(self, positions: Sequence[int]) -> FaceSample:
        gc.collect()
        return super().__getitems__(positions)


class Garbage:
    """Unused object that only the garbage collector destroys, and that records in which process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cycle = self

    def __del__(self) -> None:
        (self._folder / str(os.getpid())).touch()


def test_face_loader__a_forked_process_destroys_no_garbage_of_its_parent(tmp_path: Path) -> None:
    """Destructors of connections may wait for threads of the parent, which its forks do not have."""
    faces, destroyed = CollectingFaces(**lay_out(tmp_path)), tmp_path / "destroyed"
    destroyed.mkdir()
    gc.disable()
    Garbage(destroyed)
    list(FaceLoader(faces, 4, 1))
    gc.enable()
    assert list(destroyed.iterdir()) == []
    gc.collect()
    assert [file.name for file in destroyed.iterdir()] == [str(os.getpid())]
