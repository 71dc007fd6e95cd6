"""The end of work that its GPU has no memory for."""

from contextlib import ContextDecorator
from types import TracebackType

import torch

from faceml.storage import StoppedError

FOR_TRAINING = (
    "Halve training.batch_size_per_worker (data.people_per_batch of faceml transfer) and double "
    "training.accumulate_batches, so that a step still has as many images, or set training.precision: bf16; "
    "in another run.folder. In a search or study, trial.gpus: 1 leaves each training a GPU of its own."
)
"""What of a training takes less."""


class StoppedByFullGpu(ContextDecorator):
    """Raise `StoppedError`, which says what takes less, in place of PyTorch's paragraph on its allocator.

    Args:
        remedy: What takes less, in sentences.
    """

    def __init__(self, remedy: str) -> None:
        self._remedy = remedy

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, torch.OutOfMemoryError):
            first = " ".join(str(error).split()).split(". ")[0]
            raise StoppedError(f"The GPU has no memory for this ({first}). {self._remedy}") from error
