"""The cluster that a job starts."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import ray

from faceml.errors import StoppedError
from ray_jobs.cluster.connection import RayCluster
from ray_jobs.cluster.local_ray import IDLE_AGENT
from tests.job import REPOSITORY, Job
from tests.ray_jobs.training.test_multitask_kills import settings_of

LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")
"""127.0.0.1 and ::1 as Linux writes them in /proc/net."""
LISTENING = "0A"


def test_train__alone_on_a_machine_listens_to_nobody_else_and_ends_at_ctrl_c(
    start: Callable[..., Job], noisy_faces: Path, tmp_path: Path
) -> None:
    """Of a training, whose module imports Ray before anything of it has run."""
    job = start("train", *settings_of(noisy_faces, tmp_path / "run"))
    deadline_s = time.monotonic() + 120
    while not job.of_kind("worker"):
        assert job.process.poll() is None, job.finish()
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    commands = [command for _, command in job.processes()]
    for unused in ("dashboard/", "DashboardAgent", "monitor.py", "TrainController", "_AutoscalingCoord"):
        assert not [command for command in commands if unused in command]
    addresses = [address for pid, _ in job.processes() for address in listening_addresses(pid)]
    assert len(addresses) > 3
    assert set(addresses) <= set(LOOPBACK)
    job.process.send_signal(signal.SIGINT)  # Ray Train's own handler would exit with status 0
    *_, last = job.finish().splitlines()
    assert last == "Stopped by Ctrl-C. The same command continues from what is finished."
    assert job.process.returncode == 130


def test_extract__alone_on_a_machine_starts_none_of_the_helpers_of_ray_data_and_mediapipe(
    start: Callable[..., Job], faces: Path, tmp_path: Path
) -> None:
    job = start("extract", f"data.root={faces / 'val'}", f"output.table={tmp_path / 'table'}")
    seen = set[str]()
    while job.process.poll() is None:
        seen |= {command for _, command in job.processes()}
        time.sleep(0.05)
    assert job.process.returncode == 0, job.finish()
    helpers = ("_StatsActor", "ActorLocationTracker", "_AutoscalingCoordinator")
    for unused in ("dashboard/", "DashboardAgent", "monitor.py", *helpers, "gcc", "ldconfig"):
        assert not [command for command in seen if unused in command]
    assert [command for command in seen if "ray::MapWorker" in command]


def run_alone(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder and without the cluster of the tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"PYTHONPATH": str(REPOSITORY)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_disconnect__processes_end_within_the_block(tmp_path: Path) -> None:
    code = (
        "import os, ray, time; from pathlib import Path; from ray_jobs.cluster import RayCluster\n"
        "def children():\n"
        "    folder = Path('/proc/self/task')\n"
        "    return ' '.join(file.read_text() for file in folder.glob('*/children')).split()\n"
        "with RayCluster('colorsys') as cluster:\n"
        "    assert ray.get(ray.remote(lambda: 3).remote()) == 3\n"
        "    assert len(children()) == 2, children()\n"
        "    cluster.disconnect()\n"
        "    assert not ray.is_initialized()\n"
        "assert not children(), children()\n"
        "import sys; assert 'colorsys' in sys.modules\n"
        "with RayCluster():\n"
        "    print(ray.get(ray.remote(lambda: 4).remote()))\n"
    )
    done = run_alone(code, tmp_path)
    assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr


@pytest.mark.parametrize("address", ["http://127.0.0.1:8265", "host:port", "127.0.0.1:9"])
def test_train__an_address_that_is_none_of_a_cluster_is_named_in_one_line(
    start: Callable[..., Job], noisy_faces: Path, tmp_path: Path, address: str
) -> None:
    job = start("train", *settings_of(noisy_faces, tmp_path / "run"), environment={"RAY_ADDRESS": address})
    output = job.finish()
    assert job.process.returncode == 2, output
    assert "Traceback" not in output
    (line,) = (line for line in output.splitlines() if "RAY_ADDRESS" in line)
    assert line.startswith(f"RAY_ADDRESS: no Ray cluster can be reached at '{address}' (")
    assert line.endswith("or unset RAY_ADDRESS to use this machine alone.")


def test_idle_agent__ends_with_its_parent() -> None:
    agent = f"import subprocess; print(subprocess.Popen({list(IDLE_AGENT)}).pid, flush=True); input()"
    parent = subprocess.Popen(
        [sys.executable, "-c", agent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    folder = Path("/proc") / parent.stdout.readline().strip()
    time.sleep(0.5)
    assert folder.exists()
    parent.kill()
    parent.communicate()
    deadline_s = time.monotonic() + 20
    while folder.exists():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


LATE_RAYLET = """
from ray_jobs.cluster import RayCluster, local_ray

start = local_ray.start_ray_process


def start_late(command, process_type, **options):
    if process_type == local_ray.PROCESS_TYPE_RAYLET:
        command = ["sh", "-c", 'sleep 40; exec "$@"', "sh", *command]
    return start(command, process_type, **options)


local_ray.start_ray_process = start_late
with RayCluster():
    print(local_ray.ray.get(local_ray.ray.remote(lambda: 3).remote()))
"""


@pytest.mark.soak
def test_ray_cluster__waits_for_a_raylet_that_takes_longer_than_rays_own_limit(tmp_path: Path) -> None:
    done = run_alone(LATE_RAYLET, tmp_path)
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
    assert "Trying once more" not in done.stderr


TOO_LATE = "The current node timed out during startup. This could happen because some of the raylet failed."


@pytest.mark.parametrize("failures", [1, 2])
def test_ray_cluster__a_start_that_takes_too_long_is_tried_once_more(
    failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine on which a start takes three minutes cannot be had for a test."""
    attempts = 0

    def start_late(*_: Any, **__: Any) -> None:
        nonlocal attempts
        attempts += 1
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as Ray replaces it
        if attempts <= failures:
            raise Exception(TOO_LATE)

    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(ray, "init", start_late)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    if failures < 2:
        with RayCluster():
            pass
    else:
        late = r"^Ray did not start \(The current node timed out during startup\): this machine is busy"
        with pytest.raises(StoppedError, match=late), RayCluster():
            pass
    assert attempts == 2
    assert signal.getsignal(signal.SIGTERM) == handler


def listening_addresses(pid: int) -> Iterator[str]:
    """Yield the addresses at which a process listens for connections."""
    listening = {}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING:
                listening[f"socket:[{fields[9]}]"] = fields[1].partition(":")[0]
    with suppress(OSError):  # it has ended
        for descriptor in Path("/proc", str(pid), "fd").iterdir():
            address = listening.get(str(descriptor.readlink()))
            if address:
                yield address
