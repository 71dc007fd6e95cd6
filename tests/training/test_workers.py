from pathlib import Path

import torch
from torch import distributed, nn

from faceml.training.workers import epoch_seed, mean_over_workers, share_buffers, world_size
from tests.two_workers import run_on_two_workers


def test_epoch_seed__differs_between_epochs_and_seeds() -> None:
    seeds = {epoch_seed(seed, epoch) for seed in range(20) for epoch in range(1, 21)}
    assert len(seeds) == 400
    assert epoch_seed(1, 2) == epoch_seed(1, 2)


def test_world_size__alone_is_1() -> None:
    assert world_size() == 1
    assert torch.equal(mean_over_workers(torch.tensor([2.0, 3.0])), torch.tensor([2.0, 3.0]))


def share(rank: int, folder: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    norm = nn.BatchNorm1d(3)
    norm(torch.randn(8, 3, generator=torch.Generator().manual_seed(rank)) + rank)
    own = norm.running_mean.clone()
    share_buffers(norm)
    torch.save({"own": own, "shared": norm.state_dict()}, folder / f"{rank}.pt")
    distributed.destroy_process_group()


def test_share_buffers__all_workers_have_those_of_the_first(tmp_path: Path) -> None:
    run_on_two_workers(share, tmp_path)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert not torch.equal(first["own"], second["own"])
    torch.testing.assert_close(first["shared"]["running_mean"], first["own"], rtol=0, atol=0)
    torch.testing.assert_close(second["shared"], first["shared"], rtol=0, atol=0)
