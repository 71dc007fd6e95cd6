"""Nodes of a Ray cluster, and the placement of work on them.

A bundle is the resources of one process, such as `{"CPU": 4.0, "GPU": 1.0}`; all of them are on one node.
"""

import logging
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby

import ray

from faceml.config import ConfigError

logger = logging.getLogger(__name__)

Bundle = Mapping[str, float]
"""Amounts by the name of the resource."""
POLL_INTERVAL_S = 1.0
SMALLEST_AMOUNT = 1e-4
"""Resolution of Ray's amounts; sums of fractions are rounded."""
RELEASE_S = 2.0
"""Time in which Ray releases the resources of a job that has just ended."""


def cluster_nodes() -> list[Bundle]:
    """Return the resources of each living node, whether in use or free."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in nodes if node["Alive"]]


def worker_bundle(cpus: int, gpus: float) -> dict[str, float]:
    """Return the resources of a worker with some CPUs, and GPUs or a share of one."""
    return {"CPU": float(cpus)} | ({"GPU": float(gpus)} if gpus else {})


def count_placed(nodes: Sequence[Bundle], bundle: Bundle) -> int:
    """Return how many bundles of this size fit on the nodes."""
    return sum(_count_on_node(node, bundle) for node in nodes)


def require_resources(needed: Sequence[Bundle], setting: str, wait_s: float = 0.0) -> None:
    """Refuse work that the nodes of the cluster have no room for, instead of waiting forever.

    Logs how much the work waits for where other jobs use more than all nodes together have left.

    Args:
        needed: Bundles needed at the same time, such as `{"CPU": 4.0}` for each worker.
        setting: Dotted key of the settings that determine them.
        wait_s: Longest wait for nodes that an autoscaler starts on demand, s.

    Raises:
        ConfigError: The bundles do not fit; names them and the nodes.
    """
    if wait_s > 0 and not _all_fit(cluster_nodes(), needed):
        from ray.autoscaler.sdk import request_resources  # late: most jobs wait for no nodes

        logger.info("Waiting up to %g s for nodes with %s", wait_s, _bundles_in_words(needed))
        request_resources(bundles=[dict(bundle) for bundle in needed])
        given_up_s = time.monotonic() + wait_s
        while not _all_fit(cluster_nodes(), needed) and time.monotonic() < given_up_s:
            time.sleep(POLL_INTERVAL_S)
        request_resources(bundles=[])  # from here on the work itself requests them
    refuse_unplaceable(cluster_nodes(), needed, setting)
    given_up_s = time.monotonic() + RELEASE_S
    while (used := _used_by_others(needed)) and time.monotonic() < given_up_s:
        time.sleep(RELEASE_S / 10)
    if used:
        logger.info("Waiting for %s that other jobs on the cluster use", _in_words(used))


def refuse_unplaceable(nodes: Sequence[Bundle], needed: Sequence[Bundle], setting: str) -> None:
    """Refuse bundles that do not fit on the nodes at the same time.

    Args:
        nodes: Bundle of each node.
        needed: Bundles; those that need more come first.
        setting: Dotted key of the settings that determine them.

    Raises:
        ConfigError: They do not fit; names them and the nodes.
    """
    if _all_fit(nodes, needed):
        return
    names = dict.fromkeys(name for bundle in needed for name in bundle)
    alike = Counter(_in_words({name: node.get(name, 0.0) for name in names}) for node in nodes)
    there = "; ".join(f"{count} × {node}" if count > 1 else node for node, count in alike.items())
    raise ConfigError(
        f"{setting}: needs {_bundles_in_words(needed)}, each on one node, the cluster has {there}. Ask for "
        "less or add nodes; wait_for_nodes_s waits for those that are started on demand."
    )


def _used_by_others(needed: Sequence[Bundle]) -> Bundle:
    """Return how much of the needed resources is not free on all nodes together."""
    free = ray.available_resources()  # type: ignore[no-untyped-call]  # without those fully in use
    sums: Counter[str] = Counter()
    for bundle in needed:
        sums.update(bundle)
    missing = {name: sums[name] - free.get(name, 0.0) for name in sums}
    return {name: amount for name, amount in missing.items() if amount > SMALLEST_AMOUNT}


def _all_fit(nodes: Sequence[Bundle], needed: Sequence[Bundle]) -> bool:
    free = [dict(node) for node in nodes]
    return all(_place(free, bundle, len(list(same))) for bundle, same in groupby(needed))


def _place(free: Collection[dict[str, float]], bundle: Bundle, count: int) -> bool:
    """Take the resources of equal bundles from nodes, and return whether all bundles fit."""
    for node in free:
        placed = min(count, _count_on_node(node, bundle))
        count -= placed
        for name, amount in bundle.items() if placed else ():
            node[name] -= placed * amount
    return count == 0


def _count_on_node(node: Bundle, bundle: Bundle) -> int:
    return min(_count_of(name, node.get(name, 0.0), amount) for name, amount in bundle.items())


def _count_of(name: str, there: float, each: float) -> int:
    if name == "GPU" and each < 1:
        # A share is on one GPU: with 0.4 each, two fit on a GPU and 0.2 of it stays unused.
        return int(there) * int(1 / each + 1e-9)
    return int(there // each)


def _bundles_in_words(needed: Sequence[Bundle]) -> str:
    return ", ".join(f"{len(list(same))} × {_in_words(bundle)}" for bundle, same in groupby(needed))


def _in_words(resources: Bundle) -> str:
    return " and ".join(f"{amount:g} {name}" for name, amount in resources.items())
