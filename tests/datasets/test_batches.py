"""Counts of images in batches."""

import time
from collections.abc import Iterator

import pytest
import torch

from faceml.datasets.batches import WatchedBatches, pack, unpack
from faceml.datasets.face_dataset import FaceSample

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
            yield FaceSample(*(torch.full((4,), self.epoch) for _ in FaceSample._fields))


def test_watched_batches__count_images_and_only_the_time_until_they_are_there() -> None:
    slow = SlowBatches()
    watched = WatchedBatches(slow)
    assert len(watched) == 3
    for epoch in (1, 2):
        watched.set_epoch(epoch)
        for batch in watched:
            assert batch.label.tolist() == [epoch] * 4
            time.sleep(USING_S)
        assert watched.images == 12 * epoch
    assert watched.waited_s == pytest.approx(6 * MAKING_S, abs=5 * USING_S)


@pytest.mark.parametrize(("number", "num_landmarks", "side"), [(1, 5, 32), (7, 10, 33), (32, 5, 48)])
def test_unpack__gives_back_what_was_packed(number: int, num_landmarks: int, side: int) -> None:
    generator = torch.Generator().manual_seed(number)
    batch = FaceSample(
        torch.randint(0, 256, (number, 3, side, side), dtype=torch.uint8, generator=generator),
        2**40 + torch.arange(number),
        torch.rand(number, num_landmarks, 2, generator=generator),
        torch.arange(number) % 2 == 0,
        2**40 - torch.arange(number),
    )
    batch.landmarks[0, 0, 0] = float("nan")
    packed = pack(batch)
    assert packed.shape == (number * (3 * side * side + 2 * 8 + num_landmarks * 8 + 1),)
    found = unpack(packed, num_landmarks, side)
    for name in FaceSample._fields:
        torch.testing.assert_close(getattr(found, name), getattr(batch, name), rtol=0, atol=0, equal_nan=True)
    assert found.image.untyped_storage().data_ptr() == packed.untyped_storage().data_ptr(), "no copy"
