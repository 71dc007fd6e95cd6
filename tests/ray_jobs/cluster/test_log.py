"""Log lines in both formats, written by separate processes."""

import json
import logging
import socket
import subprocess
import sys

import pytest

from ray_jobs.cluster.log import set_up_log

SCRIPT = """
import logging, warnings
from pathlib import Path
from ray_jobs.cluster.log import set_up_log
set_up_log()
set_up_log({format!r}, "train", Path("runs/a"), rank={rank})
logging.getLogger("there").warning("50 %%, two\\nlines, × %d", 3)
logging.getLogger("there").debug("not told")
warnings.warn("old")
raise ValueError("broken")
"""


def stderr_of(log_format: str, rank: int | None = None) -> list[str]:
    script = SCRIPT.format(format=log_format, rank=rank)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.splitlines()


def test_set_up_log__json_is_one_object_a_line_whatever_is_said() -> None:
    told, warning, end = (json.loads(line) for line in stderr_of("json", rank=1))
    origin = {"job": "train", "run": "runs/a", "node": socket.gethostname(), "rank": 1}
    time = told.pop("time")
    assert time.endswith("+00:00")
    assert told == {"level": "WARNING", "logger": "there", "message": "50 %, two\nlines, × 3"} | origin
    assert "UserWarning: old" in warning["message"]
    assert (end["level"], end["message"]) == ("CRITICAL", "ValueError: broken")
    assert end["traceback"].startswith("Traceback (most recent call last):\n")
    assert end.items() >= origin.items()


@pytest.mark.parametrize("rank", [None, 1])
def test_set_up_log__text_is_told_once_with_time_and_a_workers_place(rank: int | None) -> None:
    first, second, *others = stderr_of("text", rank)
    where = f"{socket.gethostname()} rank 1: " if rank else ""
    assert first[2::3][:2] == "::"
    assert first[8:] == f" {where}50 %, two"
    assert second == "lines, × 3"
    assert "told" not in "".join(others)
    assert others[-1] == "ValueError: broken"


def test_set_up_log__a_name_of_a_file_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    set_up_log("text")
    logging.getLogger("faceml.tables").warning("%s: crashed", "a\n12:00:00 all is well\x1b[2J.jpg")
    root.handlers[:], root.level = before
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(r"a\n12:00:00 all is well\x1b[2J.jpg: crashed")


def test_main__json_has_the_mistake_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    full = tmp_path_factory.mktemp("full")
    (full / "something").touch()
    words = [sys.executable, "-m", "ray_jobs.synth", "--set", f"output.root={full}"]
    done = subprocess.run(
        [*words, "--set", "logging.format=json"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    line = json.loads(done.stderr)
    assert (line["level"], line["job"], line["run"]) == ("ERROR", "synth", str(full))
    assert line["message"].startswith("Bad value: 'output.root'")
