"""A job as a process of its own with a Ray of its own, of which anything can be killed."""

import os
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

REPOSITORY = Path(__file__).parents[1]
MARK = "FACEML_TEST_MARK"

# What Ray itself runs as processes of its own.
CLUSTER = re.compile(r"gcs_server|raylet|ray::|dashboard|monitor")

DETECTOR = r"-m faceml\.tables\.extraction_server "
"""What the command line of a detector's process matches."""

VICTIMS = {
    "extract": {
        "detector": re.compile(DETECTOR),
        "actor": re.compile(r"ray::.*ShardActor"),
        "driver": re.compile(r"-m ray_jobs\.extract "),
        "cluster": CLUSTER,
    },
    "predict": {
        "actor": re.compile(r"ray::.*ShardActor"),
        "driver": re.compile(r"-m ray_jobs\.predict "),
    },
    "train": {
        "worker": re.compile(r"ray::.*RayTrainWorker"),
        "driver": re.compile(r"-m ray_jobs\.train "),
        "cluster": CLUSTER,
    },
    "transfer": {},
    "tune": {
        "trial": re.compile(r"ray::.*(ImplicitFunc|ResourceTrainable)"),
        "driver": re.compile(r"-m ray_jobs\.tune "),
        "cluster": CLUSTER,
    },
}
"""Of each job, kinds of its processes by what their command lines match."""


class Job:
    """Start a job; every process that it starts bears a mark.

    Args:
        name: Of the job, a module of `ray_jobs`.
        settings: Overrides, `dotted.key=value`.
        path: Folder that goes before all others on the path of Python's modules.
        options: Other options of the command.
        environment: Variables beside those of the tests, such as the address of a cluster.
    """

    def __init__(
        self,
        name: str,
        *settings: str,
        path: str = "",
        options: Sequence[str] = (),
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.mark = uuid.uuid4().hex
        self._victims = VICTIMS[name]
        command = [sys.executable, "-m", f"ray_jobs.{name}", *options]
        self.process = subprocess.Popen(
            command + [part for setting in settings for part in ("--set", setting)],
            cwd=REPOSITORY,
            env={name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
            | {MARK: self.mark, "RAY_ADDRESS": "local", "PYTHONPATH": python_path(path)}
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def processes(self) -> Iterator[tuple[int, str]]:
        """Yield number and command line of everything that the job has started and that still runs."""
        return marked_processes(self.mark)

    def of_kind(self, victim: str) -> list[int]:
        """Return the numbers of the processes of a kind that run."""
        return sorted(pid for pid, command in self.processes() if self._victims[victim].search(command))

    def kill(self, victim: str, choose: random.Random) -> bool:
        """Kill one of a kind, or the whole cluster; say whether there was any."""
        numbers = self.of_kind(victim)
        for pid in numbers if victim == "cluster" else choose.sample(numbers, min(1, len(numbers))):
            _kill(pid)
        return bool(numbers)

    def finish(self, timeout_s: float = 300) -> str:
        """Wait for the end and return what was printed."""
        output, _ = self.process.communicate(timeout=timeout_s)
        return output

    def stop(self) -> None:
        """Kill whatever is left."""
        kill_marked(self.mark)
        self.process.wait()


def marked_processes(mark: str) -> Iterator[tuple[int, str]]:
    """Yield number and command line of every process that has the mark in its environment."""
    for folder in Path("/proc").glob("[0-9]*"):
        if mark.encode() in _read(folder / "environ"):
            yield int(folder.name), _read(folder / "cmdline").replace(b"\0", b" ").decode()


def kill_marked(mark: str) -> None:
    """Kill every process that has the mark in its environment."""
    while left := [pid for pid, _ in marked_processes(mark)]:
        for pid in left:
            _kill(pid)
        time.sleep(0.1)


def python_path(first: str = "") -> str:
    """Return the `PYTHONPATH` by which a process finds a folder of modules first, then this project."""
    return os.pathsep.join([first, str(REPOSITORY)] if first else [str(REPOSITORY)])


def _read(file: Path) -> bytes:
    content = b""
    with suppress(OSError):
        content = file.read_bytes()
    return content


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
