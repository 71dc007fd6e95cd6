"""cluster.yaml is what Ray's launcher accepts, and what faceml needs."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import fill_node_type_min_max_workers, prepare_config, validate_config

CLUSTER_YAML = Path(__file__).parent.parent / "cluster.yaml"


def _cluster() -> dict[str, Any]:
    cluster: dict[str, Any] = yaml.safe_load(CLUSTER_YAML.read_text())
    return cluster


def test_cluster_yaml__is_accepted_by_the_launcher() -> None:
    prepared = prepare_config(_cluster())
    validate_config(prepared)
    assert set(prepared["available_node_types"]) == {"head", "extract", "train"}


def test_cluster_yaml__launcher_would_refuse_an_unknown_key() -> None:
    cluster = _cluster() | {"idle_timeout": 5}
    with pytest.raises(ValidationError, match="idle_timeout"):
        validate_config(prepare_config(cluster))


def test_cluster_yaml__keeps_no_node_without_work_and_has_gpus_only_for_training() -> None:
    cluster = _cluster()
    fill_node_type_min_max_workers(cluster)
    types = cluster["available_node_types"]
    assert types["extract"]["min_workers"] == types["train"]["min_workers"] == 0
    assert [name for name, kind in types.items() if kind["resources"].get("GPU")] == ["train"]
    assert types[cluster["head_node_type"]]["resources"]["CPU"] == 0


def test_cluster_yaml__every_node_asks_for_the_token_that_travels_with_it() -> None:
    cluster = _cluster()
    assert cluster["file_mounts"]["/home/ray/.ray/auth_token"] == "~/.ray/auth_token"
    starts = [
        command
        for key in ("head_start_ray_commands", "worker_start_ray_commands")
        for command in cluster[key]
        if "ray start" in command
    ]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token ray start" in command for command in starts)
