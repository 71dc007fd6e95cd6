"""Ray cluster of one node that accepts jobs over HTTP, started by `ray start --head`."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import requests
from ray.job_submission import JobSubmissionClient

from ray_jobs.cluster.ray_internals import connect_job_client
from ray_jobs.submission.log import ANSWER_WITHIN_S
from tests.job import MARK, kill_marked

BIN = Path(sys.executable).parent
STARTS_WITHIN_S = 300
SLOW_START = {"RAY_raylet_start_wait_time_s": "180"}
"""Environment variable of Ray for nodes that start on a busy machine."""


class HeadNode:
    """Context manager of a cluster that consists of its head node.

    Args:
        num_cpus: Number of logical CPUs.
        token: Token for authentication; None accepts jobs without.

    Attributes:
        address: URL of the dashboard.
        temp_dir: Ray's folder of logs and uploaded folders.
        environment: Environment variables of a user with the token.
    """

    def __init__(self, num_cpus: int = 2, token: str | None = None) -> None:
        self._mark = uuid.uuid4().hex
        gcs, dashboard, agent = free_ports(3)
        self.address = f"http://127.0.0.1:{dashboard}"
        # Short, because Ray creates sockets below it, whose paths have at most 107 characters.
        self.temp_dir = Path(tempfile.mkdtemp(prefix="ray_", dir="/tmp"))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        modes = (
            {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {"RAY_AUTH_MODE": "disabled"}
        )
        self.environment = kept | modes | SLOW_START
        self._command = [
            *(str(BIN / "ray"), "start", "--head", "--block", "--disable-usage-stats"),
            *("--node-ip-address=127.0.0.1", f"--num-cpus={num_cpus}", "--num-gpus=0"),
            *(f"--port={gcs}", f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}"),
            f"--temp-dir={self.temp_dir}",
        ]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self.temp_dir, ignore_errors=True)
            # `python` in jobs is this interpreter.
            path = os.pathsep.join([str(BIN), self.environment.get("PATH", "")])
            process = stack.enter_context(
                subprocess.Popen(
                    self._command,
                    env=self.environment | {"PATH": path, MARK: self._mark},
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            stack.callback(self.kill)  # at exit the process is killed first, then awaited
            deadline_s = time.monotonic() + STARTS_WITHIN_S
            while not self._answers():
                assert process.poll() is None, "the head of the cluster did not start"
                assert time.monotonic() < deadline_s, "the head of the cluster does not answer"
                time.sleep(0.5)
            self._ending = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    def kill(self) -> None:
        """Kill all processes of the cluster."""
        kill_marked(self._mark)

    def client(self, address: str | None = None) -> JobSubmissionClient:
        """Return a client with the token.

        Args:
            address: Address of a proxy; by default that of the dashboard.
        """
        token = self.environment.get("RAY_AUTH_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return connect_job_client(address or self.address, ANSWER_WITHIN_S, headers)

    def _answers(self) -> bool:
        """Return whether jobs can be submitted; the agent that runs them starts after the dashboard."""
        token = self.environment.get("RAY_AUTH_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answers = False
        with suppress(requests.RequestException):
            answers = requests.get(f"{self.address}/api/jobs/", headers=headers, timeout=5).ok
        return answers


def new_token() -> str:
    return uuid.uuid4().hex


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
