"""A cluster of two nodes on this machine, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from tests.own_cluster import REPOSITORY

PROGRAM = """
import sys
from pathlib import Path
import pytest
import ray
from ray.cluster_utils import Cluster
from faceml.config.config_error import ConfigError
from faceml.config.extract import ExtractConfig
from faceml.config.loading import parse_config
from ray_jobs import extract

images, table = sys.argv[1:]
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
cluster.add_node(num_cpus=1)
ray.init(cluster.address, log_to_driver=False)
plain = {"data": {"root": images}, "output": {"table": table}}
with pytest.raises(ConfigError) as refused:
    extract.run(parse_config(ExtractConfig, plain))
print(f"refused: {refused.value}")
extract.run(parse_config(ExtractConfig, plain | {"storage": {"shared": True}}))
ray.shutdown()
cluster.shutdown()
"""


def test_require_reach__local_folders_on_two_nodes_are_refused_unless_shared(
    faces: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    words = [sys.executable, "-c", PROGRAM, str(faces / "val"), str(table)]
    done = subprocess.run(
        words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    refused = f"refused: data.root = {str(faces / 'val')!r} and 1 more: the cluster has 2 nodes"
    assert refused in done.stdout
    assert list(table.glob("*.parquet"))
