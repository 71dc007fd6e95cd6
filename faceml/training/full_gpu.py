"""Translation of out-of-memory errors of a GPU."""

import torch

from faceml.errors import StoppedError, flatten_message, translate_errors

FOR_TRAINING = (
    "Halve training.batch_size_per_worker (data.people_per_batch of faceml transfer) and double "
    "training.accumulate_batches, so that a step still has as many images, or set training.precision: bf16; "
    "in another run.folder. In a search or study, trial.gpus: 1 leaves each training a GPU of its own."
)
"""Settings of a training that need less memory."""


def translate_full_gpu(remedy: str) -> translate_errors[torch.OutOfMemoryError]:
    """Raise `StoppedError`, which names the remedy, in place of an out-of-memory error of PyTorch.

    Args:
        remedy: Settings that need less memory, in sentences.
    """

    def translate(error: torch.OutOfMemoryError) -> StoppedError:
        summary = flatten_message(error).split(". ")[0]
        return StoppedError(f"The GPU has no memory for this ({summary}). {remedy}")

    return translate_errors(torch.OutOfMemoryError, translate)
