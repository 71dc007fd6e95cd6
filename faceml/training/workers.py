"""What the workers that train together tell each other."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

CPU_NAMES = Path("/proc/cpuinfo")
"""Where Linux tells them."""


def device_name(device: torch.device) -> str:
    """Return what a GPU or this machine's processor is called."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = CPU_NAMES.read_text(encoding="utf-8").splitlines() if CPU_NAMES.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "CPU"


def world_size() -> int:
    """Return the number of workers that train together; 1 without a process group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def epoch_seed(seed: int, epoch: int) -> int:
    """Mix the training's seed, this worker's rank and the epoch into one seed."""
    rank = dist.get_rank() if dist.is_initialized() else 0
    return int(np.random.SeedSequence([seed, rank, epoch]).generate_state(1)[0])


def share_buffers(module: nn.Module) -> None:
    """Give all workers rank 0's buffers: batch norms have seen other faces on each since the last step.

    Without it every worker would evaluate a slightly different network, none of them the one that is saved.
    """
    for buffer in module.buffers() if world_size() > 1 else ():
        dist.broadcast(buffer, src=0)


def mean_over_workers(values: Tensor) -> Tensor:
    """Return the mean of a tensor over all workers; not part of the graph."""
    if world_size() == 1:
        return values.detach()
    values = values.detach().clone()
    dist.all_reduce(values)
    return values / world_size()


def flattened(tensors: Iterable[Tensor]) -> Tensor:
    """Return all values of some tensors, whatever their layout in memory, as one vector."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])
