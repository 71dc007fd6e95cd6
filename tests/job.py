"""Job in a separate process with its own Ray, whose processes can be killed by kind."""

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
NARROW_BACKBONE = str(REPOSITORY / "tests" / "narrow_backbone")
"""Folder of a package with the backbone `narrow`, as pip would install it."""
MARK = "FACEML_TEST_MARK"

# Processes of Ray itself.
CLUSTER = re.compile(r"gcs_server|raylet|ray::|dashboard|monitor")

DETECTOR = r"-m faceml\.extraction\.extraction_server "
"""Pattern of the command line of a detector process."""

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
    "transfer": {
        "trial": re.compile(r"ray::.*(ImplicitFunc|ResourceTrainable)"),
        "driver": re.compile(r"-m ray_jobs\.transfer "),
    },
    "tune": {
        "trial": re.compile(r"ray::.*(ImplicitFunc|ResourceTrainable)"),
        "driver": re.compile(r"-m ray_jobs\.tune "),
        "cluster": CLUSTER,
    },
}
"""Patterns of command lines by job and kind of process."""


class Job:
    """A running job, whose processes are identified by an environment variable.

    Args:
        name: Name of the job, a module of `ray_jobs`.
        settings: Overrides, `dotted.key=value`.
        path: First folder of Python's module search path.
        options: Further options of the command.
        environment: Additional environment variables, such as the address of a cluster.
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
            | {MARK: self.mark, "RAY_ADDRESS": "local", "PYTHONPATH": python_path(path, NARROW_BACKBONE)}
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def processes(self) -> Iterator[tuple[int, str]]:
        """Yield the ID and the command line of each running process of the job."""
        return marked_processes(self.mark)

    def of_kind(self, victim: str) -> list[int]:
        """Return the IDs of the running processes of a kind."""
        return sorted(pid for pid, command in self.processes() if self._victims[victim].search(command))

    def kill(self, victim: str, choose: random.Random) -> bool:
        """Kill a random process of a kind, or the whole cluster; return whether there was any."""
        numbers = self.of_kind(victim)
        for pid in numbers if victim == "cluster" else choose.sample(numbers, min(1, len(numbers))):
            _kill(pid)
        return bool(numbers)

    def finish(self, timeout_s: float = 600) -> str:
        """Wait for the end of the job and return its output."""
        output, _ = self.process.communicate(timeout=timeout_s)
        return output

    def stop(self) -> None:
        """Kill all remaining processes."""
        kill_marked(self.mark)
        self.process.wait()


def marked_processes(mark: str) -> Iterator[tuple[int, str]]:
    """Yield the ID and command line of each process with the mark in its environment, and of its children.

    Ray's agents and dashboard write their titles over their environment. Left alone, an agent whose cluster
    is gone runs on for a minute, on all of a CPU if it has followed a job.
    """
    folders = list(Path("/proc").glob("[0-9]*"))
    marked = {int(folder.name) for folder in folders if mark.encode() in _read(folder / "environ")}
    for folder in folders:
        if int(folder.name) in marked or _parent(folder) in marked:
            yield int(folder.name), _read(folder / "cmdline").replace(b"\0", b" ").decode()


def _parent(process: Path) -> int:
    """Return the ID of a process's parent, 0 if the process has ended."""
    return int((_read(process / "stat").rpartition(b")")[2].split() or [b"", b"0"])[1])


def kill_marked(mark: str) -> None:
    """Kill all processes with the mark in their environment."""
    while left := [pid for pid, _ in marked_processes(mark)]:
        for pid in left:
            _kill(pid)
        time.sleep(0.1)


def python_path(*folders: str) -> str:
    """Return a `PYTHONPATH` of folders, without empty ones, and this project."""
    return os.pathsep.join([*filter(None, folders), str(REPOSITORY)])


def _read(file: Path) -> bytes:
    content = b""
    with suppress(OSError):
        content = file.read_bytes()
    return content


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
