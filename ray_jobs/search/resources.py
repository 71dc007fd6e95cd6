"""Resources of trials and the number of trials that run at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import ray
from ray.tune import PlacementGroupFactory

from faceml.config import ConfigError, TrialResources
from ray_jobs.cluster import HEAD_NODE_RESOURCE, Resources, require_resources

# The process that waits for a worker group reserves no CPU, which its own workers might need. Ray Tune
# requires that a trial reserves some resource; every head node has this one.
WAITING = {HEAD_NODE_RESOURCE: 0.001}


@dataclass(frozen=True)
class Room:
    """Resources of one trial.

    Attributes:
        workers: Number of processes that train together.
        cpus: Number of CPUs of each worker.
        gpus: Number of GPUs of each worker.
        at_once: Number of trials that fit on the cluster at the same time, 1 or more.
    """

    workers: int
    cpus: int
    gpus: float
    at_once: int

    @property
    def placement(self) -> PlacementGroupFactory:
        """Resources that Ray Tune reserves for a trial; for a worker group Ray Train reserves them."""
        if self.workers > 1:
            return PlacementGroupFactory([dict(WAITING)])
        gpus = {"GPU": self.gpus} if self.gpus else {}
        return PlacementGroupFactory([{"CPU": float(self.cpus)} | gpus])


def cluster_nodes() -> list[dict[str, float]]:
    """Return the resources of each living node, in use or not."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in nodes if node["Alive"]]


def await_room(trial: TrialResources, wait_s: float) -> None:
    """Wait for nodes with the resources of one trial, where a cluster starts nodes on demand.

    Raises:
        ConfigError: The nodes did not start in time; names the missing resources.
    """
    each = {"CPU": float(trial.cpus if isinstance(trial.cpus, int) else 1)}
    gpus = {"GPU": trial.gpus} if trial.gpus else {}
    if wait_s > 0:
        require_resources([each | gpus] * trial.workers, "trial", wait_s)


def plan_room(nodes: Sequence[Resources], trial: TrialResources, num_trials: int) -> Room:
    """Choose the resources of each trial and how many trials run at once.

    All resources of a worker are on one node. `cpus: auto` gives each worker as many CPUs as possible without
    reducing the number of trials at once, which GPUs or, without GPUs, the number of trials limit.

    Args:
        nodes: Resources of each node of the cluster.
        trial: Requested resources.
        num_trials: Number of trials of the whole search.

    Raises:
        ConfigError: The cluster cannot run a single trial; names the available resources.
    """
    cpus = trial.cpus if isinstance(trial.cpus, int) else _shared_cpus(nodes, trial, num_trials)
    at_once = _workers_placed(nodes, cpus, trial.gpus) // trial.workers
    if at_once == 0:
        gpus = f" and {trial.gpus:g} GPU" if trial.gpus else ""
        there = "; ".join(
            f"{node.get('CPU', 0):g} CPU" + (f" and {node.get('GPU', 0):g} GPU" if trial.gpus else "")
            for node in nodes
        )
        raise ConfigError(
            f"trial: needs {trial.workers} × {cpus} CPU{gpus}, each on one node, the cluster has {there}. "
            "Ask for less or add nodes."
        )
    return Room(trial.workers, cpus, trial.gpus, min(at_once, num_trials))


def _shared_cpus(nodes: Sequence[Resources], trial: TrialResources, num_trials: int) -> int:
    """Return the most CPUs of a worker with which as many workers fit as with one CPU each.

    Workers beyond those of all trials do not count.
    """
    wanted = max(1, min(_workers_placed(nodes, 1, trial.gpus), trial.workers * num_trials))
    most = int(max((node.get("CPU", 0.0) for node in nodes), default=0.0))
    enough = [cpus for cpus in range(1, most + 1) if _workers_placed(nodes, cpus, trial.gpus) >= wanted]
    return max(enough, default=1)


def _workers_placed(nodes: Sequence[Resources], cpus: int, gpus: float) -> int:
    """Return how many workers of this size fit on the cluster."""
    return sum(_on_node(node, cpus, gpus) for node in nodes)


def _on_node(node: Resources, cpus: int, gpus: float) -> int:
    by_cpu = int(node.get("CPU", 0.0) // cpus)
    if not gpus:
        return by_cpu
    there = int(node.get("GPU", 0.0))
    # A worker's share is on one GPU: with 0.4 each, two workers fit on a GPU and 0.2 of it stays unused.
    by_gpu = there * int(1 / gpus + 1e-9) if gpus <= 1 else int(there // gpus)
    return min(by_cpu, by_gpu)
