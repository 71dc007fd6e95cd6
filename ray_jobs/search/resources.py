"""Resources of trials and the number of trials that run at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from ray.tune import PlacementGroupFactory

from faceml.config import TrialResources
from ray_jobs.cluster import (
    HEAD_NODE_RESOURCE,
    Bundle,
    count_placed,
    refuse_unplaceable,
    require_resources,
    worker_bundle,
)

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
        return PlacementGroupFactory([worker_bundle(self.cpus, self.gpus)])


def await_room(trial: TrialResources, wait_s: float) -> None:
    """Wait for nodes with the resources of one trial, where a cluster starts nodes on demand.

    Raises:
        ConfigError: The nodes did not start in time; names the missing resources.
    """
    smallest = trial.cpus if isinstance(trial.cpus, int) else 1
    if wait_s > 0:
        require_resources([worker_bundle(smallest, trial.gpus)] * trial.workers, "trial", wait_s)


def plan_room(nodes: Sequence[Bundle], trial: TrialResources, num_trials: int) -> Room:
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
    bundle = worker_bundle(cpus, trial.gpus)
    refuse_unplaceable(nodes, [bundle] * trial.workers, "trial")
    at_once = count_placed(nodes, bundle) // trial.workers
    return Room(trial.workers, cpus, trial.gpus, min(at_once, num_trials))


def _shared_cpus(nodes: Sequence[Bundle], trial: TrialResources, num_trials: int) -> int:
    """Return the most CPUs of a worker with which as many workers fit as with one CPU each.

    Workers beyond those of all trials do not count.
    """
    wanted = max(1, min(count_placed(nodes, worker_bundle(1, trial.gpus)), trial.workers * num_trials))
    most = int(max((node.get("CPU", 0.0) for node in nodes), default=0.0))
    sizes = range(1, most + 1)
    enough = [cpus for cpus in sizes if count_placed(nodes, worker_bundle(cpus, trial.gpus)) >= wanted]
    return max(enough, default=1)
