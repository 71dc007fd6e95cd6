"""Bundles on nodes; most without a cluster."""

import logging

import pytest
import ray
from ray.util import placement_group, remove_placement_group

from faceml.config.config_error import ConfigError
from ray_jobs.cluster.placement import (
    Bundle,
    count_placed,
    refuse_unplaceable,
    require_resources,
    worker_bundle,
)

GPU_NODES: list[Bundle] = [{"CPU": 8.0, "GPU": 1.0, "memory": 32e9}] * 4


def test_refuse_unplaceable__resources_of_several_nodes_do_not_add_up() -> None:
    with pytest.raises(ConfigError) as error:
        refuse_unplaceable(GPU_NODES, [worker_bundle(16, 1)] * 2, "scaling")
    assert str(error.value) == (
        "scaling: needs 2 × 16 CPU and 1 GPU, each on one node, the cluster has 4 × 8 CPU and 1 GPU. Ask for "
        "less or add nodes; wait_for_nodes_s waits for those that are started on demand."
    )


@pytest.mark.parametrize(
    ("needed", "fits"),
    [
        ([worker_bundle(8, 1)] * 4, True),
        ([worker_bundle(8, 1)] * 5, False),
        ([worker_bundle(8, 1)] * 4 + [worker_bundle(1, 0)], False),  # no CPU is left for the reader
        ([worker_bundle(7, 1)] * 4 + [worker_bundle(1, 0)], True),
        ([worker_bundle(1, 2)], False),
        ([worker_bundle(1, 0.4)] * 8, True),
        ([worker_bundle(1, 0.4)] * 9, False),
        ([worker_bundle(1, 0.4)] * 5 + [worker_bundle(1, 1)], True),  # three GPUs are shared
        ([worker_bundle(1, 0.4)] * 5 + [worker_bundle(1, 1)] * 2, False),
    ],
)
def test_refuse_unplaceable__all_are_on_the_nodes_at_once(needed: list[Bundle], fits: bool) -> None:
    if fits:
        refuse_unplaceable(GPU_NODES, needed, "scaling")
    else:
        with pytest.raises(ConfigError, match="scaling: needs"):
            refuse_unplaceable(GPU_NODES, needed, "scaling")


@pytest.mark.parametrize(
    ("nodes", "bundle", "count"),
    [
        ([{"CPU": 8.0}], worker_bundle(1, 0), 8),
        ([{"CPU": 8.0, "GPU": 1.0}], worker_bundle(1, 0.25), 4),
        ([{"CPU": 3.0, "GPU": 1.0}], worker_bundle(1, 0.25), 3),
        (
            [{"CPU": 16.0, "GPU": 2.0}],
            worker_bundle(1, 0.6),
            2,
        ),  # the rest of a GPU is no part of another
        ([{"CPU": 16.0, "GPU": 2.0}], worker_bundle(1, 0.3), 6),
        ([{"CPU": 16.0}], worker_bundle(1, 0.5), 0),
        # The memory of one node is of no use to the CPUs of another.
        ([{"CPU": 32.0, "memory": 2e9}, {"CPU": 1.0, "memory": 99e9}], {"CPU": 1.0, "memory": 1e9}, 3),
    ],
)
def test_count_placed__each_bundle_is_on_one_node(nodes: list[Bundle], bundle: Bundle, count: int) -> None:
    assert count_placed(nodes, bundle) == count


def test_require_resources__resources_that_other_jobs_use_are_logged(
    ray_cluster: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ray_jobs")
    needed = [worker_bundle(1, 0)] * 2
    require_resources(needed, "scaling")
    assert not caplog.messages
    other_job = placement_group([{"CPU": 1.0}])
    ray.get(other_job.ready())
    require_resources(needed, "scaling")
    remove_placement_group(other_job)
    assert caplog.messages == ["Waiting for 1 CPU that other jobs on the cluster use"]
