"""A Ray cluster of several nodes on this machine, and extractions driven on it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any, Self

DRIVER = Path(__file__).with_name("scaling_driver.py")
NODE = {"num_cpus": 1, "memory": 2**30, "object_store_memory": 80 * 2**20}


class LocalNodes:
    """A cluster of nodes with one CPU each, to which more can be added; its head has none.

    Args:
        folder: For what Ray keeps.
    """

    def __init__(self, folder: Path) -> None:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid.uuid4().hex}
        from ray.cluster_utils import Cluster

        # Short: Ray puts sockets below, whose paths have 107 letters at most.
        self._folder = tempfile.mkdtemp(prefix="ray_", dir=folder)
        head = {"num_cpus": 0, "include_dashboard": False, "temp_dir": self._folder}
        self._cluster = Cluster(
            initialize_head=True, head_node_args=head | {"object_store_memory": 300 * 2**20}
        )
        self._nodes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._cluster.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)

    def grow_to(self, nodes: int) -> None:
        """Add nodes until there are so many."""
        for _ in range(nodes - self._nodes):
            self._cluster.add_node(wait=False, **NODE)
        self._nodes = nodes
        self._cluster.wait_for_nodes(300)

    def drive(self, what: str, config: dict[str, Any], folder: Path, *options: str) -> dict[str, Any]:
        """Run `scaling_driver.py` and return what it noted."""
        import yaml

        settings, output = folder / "config.yaml", folder / "noted.json"
        settings.write_text(yaml.safe_dump(config), encoding="utf-8")
        gcs = self._cluster.head_node.all_processes["gcs_server"][0].process.pid
        words = [sys.executable, str(DRIVER), what, str(settings), str(gcs), str(output)]
        with (folder / "log").open("wb") as log:
            subprocess.run(
                [*words, *options],
                check=True,
                env=os.environ | {"RAY_ADDRESS": self._cluster.address},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        noted: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
        return noted
