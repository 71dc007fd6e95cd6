from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from faceml.config.config_error import ConfigError
from faceml.config.tune import TrialResources
from ray_jobs.search.resources import WAITING, Room, plan_room

MANY = 1000


def room(nodes: list[dict[str, float]], num_trials: int = MANY, **asked: Any) -> Room:
    return plan_room(nodes, TrialResources(**asked), num_trials)


@pytest.mark.parametrize(
    ("nodes", "asked", "num_trials", "cpus", "at_once"),
    [
        ([{"CPU": 2}], {}, MANY, 1, 2),  # many trials: one CPU each
        ([{"CPU": 8}], {}, 2, 4, 2),  # few: they share all
        ([{"CPU": 8}], {}, 3, 2, 3),
        ([{"CPU": 8}], {}, 1, 8, 1),
        ([{"CPU": 8}], {"cpus": 3}, MANY, 3, 2),
        ([{"CPU": 32, "GPU": 4}], {"gpus": 1}, MANY, 8, 4),  # as many CPUs as there are for a GPU
        ([{"CPU": 32, "GPU": 4}], {"gpus": 0.5}, MANY, 4, 8),
        ([{"CPU": 32, "GPU": 4}], {"gpus": 0.4}, MANY, 4, 8),  # two on each GPU, never a half on another
        ([{"CPU": 32, "GPU": 4}], {"gpus": 0.1, "cpus": 1}, MANY, 1, 32),
        ([{"CPU": 32, "GPU": 4}], {"gpus": 3}, MANY, 32, 1),
        ([{"CPU": 8}, {"CPU": 8}], {"workers": 4, "cpus": 2}, MANY, 2, 2),
        ([{"CPU": 8}, {"CPU": 8}], {"workers": 4, "cpus": 3}, MANY, 3, 1),
        ([{"CPU": 8}, {"CPU": 8}], {"workers": 4}, 1, 4, 1),
        ([{"CPU": 0}, {"CPU": 4, "GPU": 1}], {"gpus": 1}, MANY, 4, 1),  # a head node without any
        ([{"CPU": 64}, {"CPU": 4, "GPU": 1}], {"gpus": 1}, MANY, 4, 1),  # the GPU's node has four CPUs
    ],
)
def test_plan_room__sizes_trials(
    nodes: list[dict[str, float]], asked: dict[str, Any], num_trials: int, cpus: int, at_once: int
) -> None:
    planned = room(nodes, num_trials, **asked)
    assert (planned.cpus, planned.at_once) == (cpus, at_once)


def test_plan_room__a_worker_is_on_one_node_with_all_that_it_holds() -> None:
    with pytest.raises(ConfigError) as error:
        room([{"CPU": 2}, {"CPU": 2}], cpus=4)
    assert str(error.value) == (
        "trial: needs 1 × 4 CPU, each on one node, the cluster has 2 × 2 CPU. Ask for less or add "
        "nodes; wait_for_nodes_s waits for those that are started on demand."
    )
    with pytest.raises(ConfigError, match=r"needs 1 × 1 CPU and 2 GPU, .* has 2 × 8 CPU and 1 GPU\. "):
        room([{"CPU": 8, "GPU": 1}, {"CPU": 8, "GPU": 1}], gpus=2)


nodes = st.lists(
    st.fixed_dictionaries({"CPU": st.integers(0, 16), "GPU": st.integers(0, 4)}), min_size=1, max_size=4
)


@given(
    nodes=nodes,
    cpus=st.integers(1, 5) | st.just("auto"),
    gpus=st.sampled_from([0, 0.25, 0.3, 0.5, 1, 2]),
    workers=st.integers(1, 4),
    num_trials=st.integers(1, 20),
)
def test_plan_room__what_runs_at_once_fits_and_one_more_would_not(
    nodes: list[dict[str, int]], cpus: Any, gpus: float, workers: int, num_trials: int
) -> None:
    asked = TrialResources(cpus=cpus, gpus=gpus, workers=workers)
    smallest = 1 if cpus == "auto" else cpus
    if most_placed(nodes, smallest, gpus) < workers:
        with pytest.raises(ConfigError, match="trial: needs"):
            plan_room(nodes, asked, num_trials)
        return
    planned = plan_room(nodes, asked, num_trials)
    assert 1 <= planned.at_once <= num_trials
    placed = most_placed(nodes, planned.cpus, gpus)
    assert planned.at_once * workers <= placed
    if planned.at_once < num_trials:
        assert (planned.at_once + 1) * workers > placed
    if cpus == "auto":
        assert planned.at_once == min(num_trials, most_placed(nodes, 1, gpus) // workers)


def most_placed(nodes: list[dict[str, int]], cpus: int, gpus: float) -> int:
    """Place workers one by one, each where it fits, a shared GPU being filled before the next."""
    placed = 0
    for node in nodes:
        free_cpus, free_gpus = node["CPU"], [1.0] * node["GPU"]
        while free_cpus >= cpus:
            if 0 < gpus <= 1:
                fitting = [number for number, free in enumerate(free_gpus) if free >= gpus - 1e-9]
                if not fitting:
                    break
                free_gpus[fitting[0]] -= gpus
            elif gpus > 1:
                if len(free_gpus) < gpus:
                    break
                free_gpus = free_gpus[int(gpus) :]
            free_cpus -= cpus
            placed += 1
    return placed


def test_room__only_a_trial_alone_holds_its_cpus_itself() -> None:
    assert Room(1, 2, 0.5, 1).placement.bundles == [{"CPU": 2.0, "GPU": 0.5}]
    assert Room(3, 2, 0.0, 1).placement.bundles == [WAITING]
    assert "CPU" not in WAITING
    assert all(one < other for one, other in pairwise([0, *WAITING.values()]))
