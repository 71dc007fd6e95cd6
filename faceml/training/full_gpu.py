"""The end of a training that its GPU has no memory for."""

from contextlib import ContextDecorator
from types import TracebackType

import torch

from faceml.stopped import StoppedError


class StoppedByFullGpu(ContextDecorator):
    """Raise `StoppedError`, which says what takes less, in place of PyTorch's paragraph on its allocator."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, torch.OutOfMemoryError):
            first = " ".join(str(error).split()).split(". ")[0]
            raise StoppedError(
                f"The GPU has no memory for this training ({first}). Halve training.batch_size_per_worker "
                "(data.people_per_batch of faceml transfer) and double training.accumulate_batches, so that "
                "a step still has as many images, or set training.precision: bf16; in another run.folder. In "
                "a search or study, trial.gpus: 1 leaves each training a GPU of its own."
            ) from error
