from pathlib import Path

import pytest
import torch

from faceml.training.precision import choose_precision, has_bf16_instructions, slow_precision_warning

CPU = torch.device("cpu")


@pytest.fixture(params=[True, False], ids=["bf16 instructions", "none"])
def has_instructions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: request.param)
    return bool(request.param)


def test_has_bf16_instructions__is_what_linux_says_of_the_processor() -> None:
    flags = Path("/proc/cpuinfo").read_text().split()
    assert has_bf16_instructions(CPU) == ("avx512_bf16" in flags)


def test_choose_precision__auto_is_bf16_where_the_processor_has_it(has_instructions: bool) -> None:
    assert choose_precision("auto", CPU) == ("bf16" if has_instructions else "fp32")
    assert choose_precision("bf16", CPU) == "bf16"
    assert choose_precision("fp32", CPU) == "fp32"


def test_slow_precision_warning__only_for_bf16_without_instructions(has_instructions: bool) -> None:
    assert slow_precision_warning("fp32", CPU) is None
    warning = slow_precision_warning("bf16", CPU)
    if has_instructions:
        assert warning is None
    else:
        assert warning is not None
        assert "this CPU has no bf16 instructions. Set it to fp32, or to auto" in warning
