"""A report says by which command and with what it was made."""

import platform
import sys

import pytest
import torch

from faceml.page.versions import command_line, versions


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["/home/me/.venv/bin/faceml", "train", "--set", "a=b c"], "faceml train --set 'a=b c'"),
        (["/srv/faceml/ray_jobs/train.py", "--config", "c.yaml"], "python -m ray_jobs.train --config c.yaml"),
        (["/usr/lib/ipykernel_launcher.py", "-f", "kernel.json"], "called from Python"),
    ],
)
def test_command_line__is_as_one_would_type_it(
    arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    assert command_line() == told


def test_versions__are_those_that_run() -> None:
    assert versions().startswith(
        f"Python {platform.python_version()}, torch {torch.__version__.split('+')[0]}"
    )
    assert "mediapipe " in versions()
