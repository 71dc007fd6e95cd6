"""Lines written to file descriptor 2, as native libraries do; sys.stderr never sees them."""

import os
from pathlib import Path

import pytest

from faceml.stderr_filter import StderrFilter


def test_stderr_filter__drops_harmless_lines_and_writes_the_others_in_order(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with StderrFilter(["Created TensorFlow", "WARNING: All log"]):
        os.write(2, b"I0000 Created TensorFlow Lite delegate\nE0000 the model is broken\n")
        os.write(2, b"WARNING: All log messages\nno end of line")
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == "E0000 the model is broken\nno end of line"


def test_stderr_filter__writes_everything_when_the_block_fails(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(KeyError), StderrFilter(["harmless"]):
        raise KeyError(os.write(2, b"harmless\nnot so\n"))
    assert capfd.readouterr().err == "harmless\nnot so\n"


def test_stderr_filter__restores_stderr_and_leaks_no_descriptor(
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with StderrFilter([]):
            os.write(2, b"inside ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "inside inside inside after"
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_stderr_filter__writes_bytes_that_are_not_text(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    with StderrFilter(["harmless"]):
        os.write(2, b"\xff\x00\xfe\n")
    assert capfdbinary.readouterr().err == b"\xff\x00\xfe\n"
