from pathlib import Path

import pytest
import torch

from faceml.training import workers
from faceml.training.workers import device_name


def test_device_name__of_the_processor_is_what_linux_calls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tmp_path / "cpuinfo"
    monkeypatch.setattr(workers, "CPU_NAMES", names)
    assert device_name(torch.device("cpu")) == "CPU"
    names.write_text("processor\t: 0\nmodel name\t: Fast 9000: two\n\nprocessor\t: 1\nmodel name\t: Slow\n")
    assert device_name(torch.device("cpu")) == "Fast 9000: two"
