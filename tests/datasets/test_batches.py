"""Batches that are counted on their way."""

import time
from collections.abc import Iterator

import pytest
import torch

from faceml.datasets.batches import WatchedBatches
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
