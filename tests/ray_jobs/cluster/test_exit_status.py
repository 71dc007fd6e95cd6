"""Commands in processes of their own, which get signals."""

import os
import signal
import subprocess
import sys

import pytest

from tests.job import REPOSITORY

PROGRAM = """
import os, sys, time
from ray_jobs.cluster import exit_at_errors, interrupt_at_signals, set_up_log

set_up_log(sys.argv[2])
with exit_at_errors(), interrupt_at_signals():
    os.kill(os.getpid(), int(sys.argv[1]))
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("number", "status", "name"), [(signal.SIGTERM, 143, "SIGTERM"), (signal.SIGINT, 130, "Ctrl-C")]
)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_exit_at_errors__a_signal_ends_with_its_status_and_one_line(
    number: int, status: int, name: str, log_format: str
) -> None:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    words = [sys.executable, "-c", PROGRAM, str(int(number)), log_format]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == status
    (line,) = done.stderr.splitlines()
    expected = f"Stopped by {name}. The same command continues from what is finished."
    assert expected in line if log_format == "json" else line == expected
