"""Local Ray cluster of several nodes, and extractions on it."""

import json
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any, Self

DRIVER = Path(__file__).with_name("scaling_driver.py")
TOKEN = uuid.uuid4().hex
"""Authentication token of all clusters of this process; Ray reads it once."""
MEMORY_BYTES, STORE_BYTES = 2**30, 80 * 2**20
"""Memory that each CPU declares to Ray, and object store of a node, which is allocated on demand."""


class LocalNodes:
    """A cluster to which nodes can be added; its head has no CPU.

    Args:
        cpus_per_node: Logical CPUs of each node.
    """

    def __init__(self, cpus_per_node: int = 1) -> None:
        # A short path, because sockets below it may have at most 107 characters; a separate one, because Ray
        # stores the address of the current cluster in it.
        self._folder = tempfile.TemporaryDirectory(prefix="ray_", ignore_cleanup_errors=True)
        (Path(self._folder.name) / "ray").mkdir()
        os.environ |= {"RAY_TMPDIR": self._folder.name, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 300 * 2**20}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._head: Any = self._cluster.head_node
        self._node = {"num_cpus": cpus_per_node, "memory": cpus_per_node * MEMORY_BYTES}
        self._nodes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._cluster.shutdown()  # type: ignore[no-untyped-call]
        self._folder.cleanup()

    def grow_to(self, nodes: int) -> None:
        """Add nodes up to the given number."""
        for _ in range(nodes - self._nodes):
            self._cluster.add_node(wait=False, object_store_memory=STORE_BYTES, **self._node)
        self._nodes = nodes
        self._cluster.wait_for_nodes(300)

    def drive(self, what: str, config: dict[str, Any], folder: Path, *options: str) -> dict[str, Any]:
        """Run `scaling_driver.py` and return its measurements."""
        import yaml

        settings, output = folder / "config.yaml", folder / "measured.json"
        settings.write_text(yaml.safe_dump(config), encoding="utf-8")
        gcs = self._head.all_processes["gcs_server"][0].process.pid
        words = [sys.executable, str(DRIVER), what, str(settings), str(gcs), str(output)]
        with (folder / "log").open("wb") as log:
            subprocess.run(
                [*words, *options],
                check=True,
                env=os.environ | {"RAY_ADDRESS": self._cluster.address},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        measured: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
        return measured
