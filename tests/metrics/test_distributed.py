"""Metrics accumulated over two workers."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed

from faceml.metrics.landmarks import LandmarkAgreement
from faceml.metrics.numbers import NumberAgreement
from faceml.tables.landmark_sets import LANDMARK_SETS
from tests.two_workers import run_on_two_workers

SHARDS = (slice(0, 9), slice(9, 11))  # uneven, and the second has no landmarks at all


def measure(part: slice) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    numbers, wanted = torch.randn(2, 11, 3, generator=generator)
    predicted, target = torch.rand(2, 11, 10, 2, generator=generator)
    has_landmarks = torch.arange(11) < 8
    agreement, landmarks = NumberAgreement(3), LandmarkAgreement(LANDMARK_SETS[10])
    agreement.update(numbers[part], wanted[part])
    landmarks.update(predicted[part], target[part], has_landmarks[part])
    return {**agreement.compute()._asdict(), **landmarks.compute()}


def work(rank: int, folder: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    torch.save(measure(SHARDS[rank]), folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.parametrize("rank", [0, 1])
def test_metrics__on_every_worker_are_those_of_the_whole(rank: int, results: list[dict[str, Tensor]]) -> None:
    torch.testing.assert_close(results[rank], measure(slice(0, 11)))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor]]:
    folder = tmp_path_factory.mktemp("workers")
    run_on_two_workers(work, folder)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
