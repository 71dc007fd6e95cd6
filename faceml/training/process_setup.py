"""Threads and memory allocation of a training process, and the name of its device."""

import ctypes
from pathlib import Path

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of the parameters in glibc's `malloc.h`."""
KEPT_BYTES = 1 << 29
"""Most free memory that the process keeps, many times that of a batch."""
LARGEST_KEPT_BYTES = 1 << 25
"""Size of the largest tensor whose memory is kept; glibc's upper limit."""
CPU_NAMES = Path("/proc/cpuinfo")
"""Linux's description of the processors."""


def set_up_process(device: torch.device, cpus: int, loader_processes: int) -> None:
    """Set the number of PyTorch's threads, and let batches reuse memory.

    Args:
        device: Device of the training.
        cpus: CPUs of this process.
        loader_processes: Number of its loader processes, which inherit the allocator's settings.
    """
    # Beside a GPU, threads of this process would take CPU time from its loader processes.
    fed_gpu = device.type == "cuda" and loader_processes > 0
    torch.set_num_threads(1 if fed_gpu else cpus)
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Let glibc, if present, keep the memory of freed tensors instead of returning it to the system.

    Otherwise every batch gets its memory from the system page by page, which takes as long as decoding.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)


def device_name(device: torch.device) -> str:
    """Return the model name of a GPU or of this machine's processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = CPU_NAMES.read_text(encoding="utf-8").splitlines() if CPU_NAMES.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "CPU"
