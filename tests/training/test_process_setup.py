"""Memory allocation and threads of a training process."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from faceml.training import process_setup
from faceml.training.process_setup import device_name, set_up_process

MIB = 24
PROGRAM = f"""
import ctypes
import sys
import torch
from faceml.training.process_setup import keep_freed_memory

class Held(ctypes.Structure):
    # struct mallinfo2 of malloc.h
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Held
if sys.argv[1] == "keep":
    keep_freed_memory()
tensor = torch.zeros({MIB} * 2**18)
del tensor
print(mallinfo2().fordblks / 2**20)
"""


def test_keep_freed_memory__a_tensor_leaves_its_memory_to_the_next_one() -> None:
    """Counted by glibc itself; not every system counts page faults."""
    free_mib = {}
    for how in ("keep", "give back"):
        words = [sys.executable, "-c", PROGRAM, how]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        free_mib[how] = float(done.stdout)
    assert free_mib["keep"] >= MIB
    assert free_mib["give back"] < MIB


def test_set_up_process__a_gpu_that_others_decode_for_gets_one_thread() -> None:
    threads = torch.get_num_threads()
    found = []
    for device, loader_processes in (("cpu", 4), ("cuda", 0), ("cuda", 4)):
        set_up_process(torch.device(device), 3, loader_processes)
        found.append(torch.get_num_threads())
    torch.set_num_threads(threads)
    assert found == [3, 3, 1]


def test_device_name__of_the_processor_is_what_linux_calls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tmp_path / "cpuinfo"
    monkeypatch.setattr(process_setup, "CPU_NAMES", names)
    assert device_name(torch.device("cpu")) == "CPU"
    names.write_text("processor\t: 0\nmodel name\t: Fast 9000: two\n\nprocessor\t: 1\nmodel name\t: Slow\n")
    assert device_name(torch.device("cpu")) == "Fast 9000: two"
