"""Out-of-memory errors of a GPU, reported in one line."""

import pytest
import torch

from faceml.errors import StoppedError
from faceml.training.full_gpu import FOR_TRAINING, translate_full_gpu

SAID = (
    "CUDA out of memory. Tried to allocate 9.00 GiB. GPU 0 has a total capacity of 8.00 GiB.\nSee the docs."
)


@translate_full_gpu(FOR_TRAINING)
def step(error: Exception | None = None) -> int:
    if error:
        raise error
    return 7


def test_translate_full_gpu__names_what_takes_less() -> None:
    with pytest.raises(StoppedError, match=r"\(CUDA out of memory\)\. Halve training\.batch_size") as raised:
        step(torch.OutOfMemoryError(SAID))
    assert "\n" not in str(raised.value)
    assert "training.accumulate_batches" in str(raised.value)


def test_translate_full_gpu__leaves_other_errors_and_results_alone() -> None:
    assert step() == 7
    with pytest.raises(KeyError):
        step(KeyError("a mistake"))
