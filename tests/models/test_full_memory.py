"""Out-of-memory errors of a GPU or a CPU, reported in one line."""

import numpy as np
import pytest
import torch

from faceml.errors import StoppedError
from faceml.models.full_memory import FOR_TRAINING, translate_full_memory

SAID = (
    "CUDA out of memory. Tried to allocate 9.00 GiB. GPU 0 has a total capacity of 8.00 GiB.\nSee the docs."
)


@translate_full_memory(FOR_TRAINING)
def step(error: Exception | None = None) -> int:
    if error:
        raise error
    return 7


def test_translate_full_memory__names_what_takes_less() -> None:
    with pytest.raises(StoppedError, match=r"\(CUDA out of memory\)\. Halve training\.batch_size") as raised:
        step(torch.OutOfMemoryError(SAID))
    assert "\n" not in str(raised.value)
    assert "training.accumulate_batches" in str(raised.value)


def test_translate_full_memory__of_a_cpu_is_recognised_by_its_message() -> None:
    wanted = (
        r"^The machine has no memory for this \(can't allocate memory: .* 4000000000000000 bytes\)\. Halve"
    )
    with pytest.raises(StoppedError, match=wanted), translate_full_memory(FOR_TRAINING):
        torch.empty(10**15)
    wanted = r"^The machine has no memory for this \(Unable to allocate .*\)\. Halve"
    with pytest.raises(StoppedError, match=wanted), translate_full_memory(FOR_TRAINING):
        np.empty(10**15)


def test_translate_full_memory__leaves_other_errors_and_results_alone() -> None:
    assert step() == 7
    for error in (KeyError("a mistake"), RuntimeError("another")):
        with pytest.raises(type(error)) as raised:
            step(error)
        assert raised.value is error
