"""How a process that trains uses the machine it runs on."""

import ctypes

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of the parameters in glibc's `malloc.h`."""
KEPT_BYTES = 1 << 29
"""Free memory that is kept at most, many times a batch."""
LARGEST_KEPT_BYTES = 1 << 25
"""Of one tensor; the most that glibc takes."""


def set_up_process(device: torch.device, cpus: int, loader_processes: int) -> None:
    """Choose the threads of PyTorch, and let the memory of a batch serve the next one.

    Args:
        device: That trains.
        cpus: Of this process.
        loader_processes: That decode for it; those started later keep their memory likewise.
    """
    # Threads beside a GPU take the CPUs from the processes that feed it.
    fed_gpu = device.type == "cuda" and loader_processes > 0
    torch.set_num_threads(1 if fed_gpu else cpus)
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Tell glibc not to give a freed tensor's memory back to the system, where there is a glibc.

    Every batch would fetch its memory anew, page by page, which takes as long as decoding it.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
