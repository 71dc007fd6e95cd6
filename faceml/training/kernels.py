"""Which kernels compute a network."""

import torch
import torch._functorch.config
from torch import nn


def choose_kernels(network: nn.Module, *, channels_last: bool, compiled: bool) -> None:
    """Change how a network on its device is computed, not what.

    Args:
        network: Keeps its names of parameters and buffers.
        channels_last: Lay out weights and, through them, features as GPUs and bf16 like them.
        compiled: Generate kernels with `torch.compile`, at the first call of each kind.
    """
    if channels_last:
        network.to(memory_format=torch.channels_last)
    if compiled:
        # By default the first pass backward may overwrite what the forward pass kept, and refuses to leave a
        # graph for another. A look at each task's gradient, and PCGrad, go back once for each task.
        torch._functorch.config.donated_buffer = False
        network.compile()
