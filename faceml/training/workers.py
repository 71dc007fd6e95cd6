"""Communication between the workers of a training."""

from collections.abc import Iterable

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn


def world_size() -> int:
    """Return the number of workers; 1 without a process group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def epoch_seed(seed: int, epoch: int) -> int:
    """Return a seed that depends on the training's seed, this worker's rank and the epoch."""
    rank = dist.get_rank() if dist.is_initialized() else 0
    return int(np.random.SeedSequence([seed, rank, epoch]).generate_state(1)[0])


def share_buffers(module: nn.Module) -> None:
    """Copy rank 0's buffers to all workers, whose batch norm statistics differ after a step.

    Without it, the evaluation would combine results of slightly different networks.
    """
    for buffer in module.buffers() if world_size() > 1 else ():
        dist.broadcast(buffer, src=0)


def mean_over_workers(values: Tensor) -> Tensor:
    """Return the mean of a tensor over all workers, detached from the graph."""
    if world_size() == 1:
        return values.detach()
    values = values.detach().clone()
    dist.all_reduce(values)
    return values / world_size()


def flattened(tensors: Iterable[Tensor]) -> Tensor:
    """Return the values of tensors of any memory format, concatenated to one vector."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])
