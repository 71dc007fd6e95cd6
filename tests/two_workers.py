"""Functions run by two processes at once, as by the workers of a training."""

import multiprocessing
from collections.abc import Callable
from typing import Any

from torch.multiprocessing.spawn import start_processes

# Imported once, by the server that forks all workers of a test process, instead of by each worker.
multiprocessing.set_forkserver_preload(
    ["pytest", "torchmetrics", "torchvision", "faceml.models.multitask", "faceml.training.evaluation"]
)


def run_on_two_workers(work: Callable[..., None], *arguments: Any) -> None:
    """Call a function of a module with a rank, 0 and 1, and further arguments, and wait for both."""
    start_processes(work, arguments, nprocs=2, start_method="forkserver")  # type: ignore[no-untyped-call]
