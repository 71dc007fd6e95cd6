"""Translation of out-of-memory errors of a GPU or a CPU."""

import torch

from faceml.errors import StoppedError, flatten_message, translate_errors

FOR_TRAINING = (
    "Halve training.batch_size_per_worker (data.people_per_batch of faceml transfer) and double "
    "training.accumulate_batches, so that a step still has as many images, set training.precision: bf16, or "
    "choose a smaller model.backbone; in another run.folder. In a search or study, trial.gpus: 1 leaves each "
    "training a GPU of its own."
)
"""Settings of a training that need less memory."""
OF_A_CPU = "DefaultCPUAllocator: "
"""Beginning of the message of PyTorch's allocator, whose errors have no type of their own."""


class FullMemoryError(StoppedError):
    """A network needs more memory than a GPU or the machine has."""


def is_full_memory(error: BaseException) -> bool:
    """Return whether an error is an out-of-memory error."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or OF_A_CPU in str(error)


def translate_full_memory(remedy: str) -> translate_errors[RuntimeError | MemoryError]:
    """Raise `FullMemoryError`, which names the remedy, in place of an out-of-memory error.

    Args:
        remedy: Settings that need less memory, in sentences.
    """

    def translate(error: RuntimeError | MemoryError) -> FullMemoryError | None:
        if isinstance(error, FullMemoryError) or not is_full_memory(error):
            return None
        place = "GPU" if isinstance(error, torch.OutOfMemoryError) else "machine"
        summary = flatten_message(error).rpartition(OF_A_CPU)[2].split(". ")[0]
        return FullMemoryError(f"The {place} has no memory for this ({summary}). {remedy}")

    return translate_errors((RuntimeError, MemoryError), translate)
