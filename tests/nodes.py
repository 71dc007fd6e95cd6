"""Ray cluster of several nodes on this machine, to which nodes are added and removed."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ray

from tests.head_node import SLOW_START, free_ports, new_token
from tests.job import MARK, kill_marked, marked_processes, python_path

RAY = Path(sys.executable).with_name("ray")
STARTS_WITHIN_S = 300
FAKED_CLOUD = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
"""Environment variables for Ray's autoscaler, which then starts nodes on this machine."""


def autoscaling(num_cpus: int, address: str) -> dict[str, Any]:
    """Return the configuration of an autoscaler whose nodes are real raylets on this machine."""
    none = {"node_config": {}, "min_workers": 0}
    resources = {"CPU": num_cpus, "object_store_memory": 200_000_000}
    commands = ("setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray", "initialization")
    return {
        "cluster_name": "on_demand",
        "max_workers": 2,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 5,
        "provider": {"type": "fake_multinode", "gcs_address": address, "disable_node_updaters": True},
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "max_workers": 0} | none,
            "worker": {"resources": resources, "max_workers": 2} | none,
        },
        "head_node_type": "ray.head.default",
        "file_mounts_sync_continuously": False,
        **{name: {} for name in ("auth", "docker", "file_mounts")},
        **{name: [] for name in ("cluster_synced_files", "rsync_exclude", "rsync_filter")},
        **{f"{name}_commands": [] for name in commands},
    }


@dataclass
class Node:
    """The processes of one node."""

    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def processes(self, pattern: str) -> list[int]:
        """Return the IDs of the processes whose command line matches."""
        return sorted(pid for pid, command in marked_processes(self.mark) if re.search(pattern, command))

    def kill(self) -> None:
        """Kill all processes of the node."""
        kill_marked(self.mark)


class Nodes:
    """Context manager of a cluster.

    Args:
        num_cpus: Number of logical CPUs of the head node.
        on_demand: Logical CPUs of each node that the autoscaler starts on demand; 0 for no autoscaler.
        path: First folder of Python's module search path on every node.

    Attributes:
        environment: Environment variables that connect a job to the cluster.
        head: The head node.
    """

    def __init__(self, num_cpus: int, on_demand: int = 0, path: str = "") -> None:
        self._num_cpus = num_cpus
        self._on_demand = on_demand
        self._added: list[Node] = []
        (port,) = free_ports(1)
        self._address = f"{ray.util.get_node_ip_address()}:{port}"
        self._path = {"PYTHONPATH": python_path(path)}
        self._token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": new_token()}
        self.environment = self._token | {"RAY_ADDRESS": self._address}
        self._temp_dir = Path(tempfile.mkdtemp(prefix="ray_", dir="/tmp"))

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self._temp_dir, ignore_errors=True)
            self._stack = stack
            port = self._address.rpartition(":")[2]
            options = [
                "--head",
                f"--port={port}",
                "--include-dashboard=false",
                f"--temp-dir={self._temp_dir}",
            ]
            if self._on_demand:
                file = self._temp_dir / "autoscaling.json"
                file.write_text(json.dumps(autoscaling(self._on_demand, self._address)))
                options.append(f"--autoscaling-config={file}")
            self.head = self._start(*options)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, num_cpus: int = 1) -> Node:
        """Start a node and wait until it has joined the cluster."""
        self._num_cpus = num_cpus
        self._added.append(self._start(f"--address={self._address}"))
        return self._added[-1]

    def remove_added(self) -> None:
        """Kill the added nodes."""
        for node in self._added:
            node.kill()
        self._added.clear()

    def _start(self, *options: str) -> Node:
        node = Node()
        agent, metrics = free_ports(2)
        words = [
            *(str(RAY), "start", "--block", "--disable-usage-stats", f"--num-cpus={self._num_cpus}"),
            *("--num-gpus=0", "--object-store-memory=200000000"),
            *(f"--dashboard-agent-listen-port={agent}", f"--metrics-export-port={metrics}"),
        ]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        log = self._temp_dir / f"{node.mark}.log"
        with log.open("wb") as output:
            process = self._stack.enter_context(
                subprocess.Popen(
                    [*words, *options],
                    env=environment | self._path | self._token | FAKED_CLOUD | SLOW_START | {MARK: node.mark},
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )
        self._stack.callback(node.kill)  # at exit the process is killed first, then awaited
        deadline_s = time.monotonic() + STARTS_WITHIN_S
        while b"Ray runtime started" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline_s, log.read_text()
            time.sleep(0.2)
        return node
