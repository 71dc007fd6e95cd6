"""The cluster that a job starts."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tests.job import Job
from tests.ray_jobs.training.test_multitask_kills import settings_of

LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")
"""127.0.0.1 and ::1 as Linux writes them in /proc/net."""
LISTENING = "0A"


def test_prepare_environment__a_cluster_of_this_machine_alone_listens_to_nobody_else(
    start: Callable[..., Job], noisy_faces: Path, tmp_path: Path
) -> None:
    """Of a training, whose module imports Ray before anything of it has run."""
    job = start("train", *settings_of(noisy_faces, tmp_path / "run"))
    deadline_s = time.monotonic() + 120
    while not job.of_kind("worker"):
        assert job.process.poll() is None, job.finish()
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    addresses = [address for pid, _ in job.processes() for address in listening_addresses(pid)]
    assert len(addresses) > 3
    assert set(addresses) <= set(LOOPBACK)


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
