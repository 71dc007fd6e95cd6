"""How many trials run at once, and what each holds; what could never be placed is refused before it waits."""

from collections.abc import Sequence
from dataclasses import dataclass

import ray
from ray.tune import PlacementGroupFactory

from faceml.config import ConfigError, TrialResources
from ray_jobs.cluster import HEAD_NODE_RESOURCE, Resources, require_resources

# The process that waits for a group of workers does nothing, and so holds no CPU: with one, it could keep the
# workers that it waits for from being placed. Ray wants a trial to hold something; every head node has this.
WAITING = {HEAD_NODE_RESOURCE: 0.001}


@dataclass(frozen=True)
class Room:
    """What one trial gets.

    Attributes:
        workers: Processes that train together.
        cpus: Of each.
        gpus: Of each.
        at_once: Trials for which there is room at the same time, 1 or more.
    """

    workers: int
    cpus: int
    gpus: float
    at_once: int

    @property
    def placement(self) -> PlacementGroupFactory:
        """What Ray Tune sets aside for a trial; a group of workers has Ray Train set aside its own."""
        if self.workers > 1:
            return PlacementGroupFactory([dict(WAITING)])
        gpus = {"GPU": self.gpus} if self.gpus else {}
        return PlacementGroupFactory([{"CPU": float(self.cpus)} | gpus])


def cluster_nodes() -> list[dict[str, float]]:
    """Return what each living node has, in use or not."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in nodes if node["Alive"]]


def await_room(trial: TrialResources, wait_s: float) -> None:
    """Wait for nodes that have room for one trial, where a cluster starts them on demand.

    Raises:
        ConfigError: They did not come; says what is missing.
    """
    each = {"CPU": float(trial.cpus if isinstance(trial.cpus, int) else 1)}
    gpus = {"GPU": trial.gpus} if trial.gpus else {}
    if wait_s > 0:
        require_resources([each | gpus] * trial.workers, "trial", wait_s)


def plan_room(nodes: Sequence[Resources], trial: TrialResources, num_trials: int) -> Room:
    """Size the trials of a search.

    A worker is on one node with all that it holds. `cpus: auto` gives each as many as leave room for as many
    trials as there are GPUs for or, without GPUs, trials in all: few trials share all CPUs, many have one.

    Args:
        nodes: Of the cluster.
        trial: What is asked for.
        num_trials: Of the whole search; more never run at once.

    Raises:
        ConfigError: Not even one trial has room; says what is missing.
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
    """Return the most CPUs for each worker with which as many are placed as with one CPU for each.

    No more than those of all trials are asked for.
    """
    wanted = max(1, min(_workers_placed(nodes, 1, trial.gpus), trial.workers * num_trials))
    most = int(max((node.get("CPU", 0.0) for node in nodes), default=0.0))
    enough = [cpus for cpus in range(1, most + 1) if _workers_placed(nodes, cpus, trial.gpus) >= wanted]
    return max(enough, default=1)


def _workers_placed(nodes: Sequence[Resources], cpus: int, gpus: float) -> int:
    """Return for how many workers of this size there is room."""
    return sum(_on_node(node, cpus, gpus) for node in nodes)


def _on_node(node: Resources, cpus: int, gpus: float) -> int:
    by_cpu = int(node.get("CPU", 0.0) // cpus)
    if not gpus:
        return by_cpu
    there = int(node.get("GPU", 0.0))
    # Each GPU is shared by itself: of 0.4 each has room for two, and half a share is of no use.
    by_gpu = there * int(1 / gpus + 1e-9) if gpus <= 1 else int(there // gpus)
    return min(by_cpu, by_gpu)
