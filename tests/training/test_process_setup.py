"""Page faults of a process that makes batch after batch, and its threads."""

import subprocess
import sys

import torch

from faceml.training.process_setup import set_up_process

BATCHES = 50
PROGRAM = f"""
import resource
import sys
import torch
from faceml.training.process_setup import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
def batch():
    tensors = [torch.zeros(32, 3, 112, 112) for _ in range(3)]
    return sum(tensor[0, 0, 0, 0] for tensor in tensors)
for _ in range(3):
    batch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({BATCHES}):
    batch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_keep_freed_memory__a_batch_takes_the_memory_of_the_one_before() -> None:
    faults = {}
    for how in ("keep", "give back"):
        words = [sys.executable, "-c", PROGRAM, how]
        faults[how] = int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    assert faults["give back"] > 10 * BATCHES
    assert faults["keep"] < faults["give back"] / 10


def test_set_up_process__a_gpu_that_others_decode_for_gets_one_thread() -> None:
    threads = torch.get_num_threads()
    found = []
    for device, loader_processes in (("cpu", 4), ("cuda", 0), ("cuda", 4)):
        set_up_process(torch.device(device), 3, loader_processes)
        found.append(torch.get_num_threads())
    torch.set_num_threads(threads)
    assert found == [3, 3, 1]
