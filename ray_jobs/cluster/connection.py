"""Reaching a Ray cluster: the one this job was submitted to, or one of this machine's own."""

import logging
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ray
import ray.data  # its import sets up the loggers that are quietened below
from ray.autoscaler.sdk import request_resources

from faceml.config import Config, ConfigError, refuse_outputs_below, refuse_paths_of_one_node
from ray_jobs.cluster.log import include_loggers
from ray_jobs.cluster.ray_internals import quieten_start

logger = logging.getLogger(__name__)

Resources = Mapping[str, float]
POLL_INTERVAL_S = 1.0


class RayCluster:
    """Connect to Ray for the length of a block; a cluster that was there before is left running.

    A submitted job finds its cluster in `RAY_ADDRESS`. Without one, Ray is started here on all CPUs, without
    dashboard, and stopped at the end.

    Attributes:
        may_grow: Whether nodes may join while the block runs.
    """

    may_grow = False

    def __enter__(self) -> Self:
        self._started = not ray.is_initialized()
        if self._started:
            _quieten_ray()
            address = os.environ.get("RAY_ADDRESS", "local")
            local = address == "local"
            self.may_grow = not local
            # How long a dead worker, a checkpoint or the end of a training waits for Ray Train to see it.
            os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
            # Trials stay where the job was started, so that relative paths mean the same.
            os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
            # Ray Tune's newer output prints a table of its own whatever its verbosity.
            os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
            if local:  # nothing preempts the nodes of one machine; the watcher is one more process to start
                os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
            # What workers have to say comes as results and exceptions; what else they print is in Ray's logs.
            ray.init(
                address,
                include_dashboard=False if local else None,
                logging_level=logging.WARNING,
                log_to_driver=False,
            )
            include_loggers("ray", "ray.data")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._started:
            ray.shutdown()


def cluster_resources() -> dict[str, float]:
    """Return what all nodes have together, in use or not."""
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return resources


def cluster_cpus() -> int:
    """Return the number of CPUs of the cluster, at least 1."""
    return max(1, int(cluster_resources().get("CPU", 1)))


def cluster_cpus_with_memory(bytes_each: int) -> int:
    """Return the number of CPUs of the cluster that can be busy at once with so much memory each."""
    memory = cluster_resources().get("memory", float("inf"))
    return max(1, int(min(cluster_cpus(), memory // bytes_each)))


def require_reach(config: Config, waits_for_nodes: bool = False) -> None:
    """Refuse local paths on a cluster of several nodes, unless the job says that all of them mount them.

    Of a submitted job, refuse to write into the folder that was uploaded with it.

    Args:
        config: Of the job.
        waits_for_nodes: Whether the job waits for nodes that are not there yet.

    Raises:
        ConfigError: Names a path and the remedy.
    """
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    alive = [node for node in nodes if node["Alive"]]
    # The work is done on other nodes too if they are yet to come, or if this one has no CPU for it.
    is_head_alone = len(alive) == 1 and (waits_for_nodes or not alive[0]["Resources"].get("CPU"))
    refuse_paths_of_one_node(config, len(alive) + is_head_alone)
    if "working_dir" in ray.get_runtime_context().runtime_env:
        refuse_outputs_below(config, Path.cwd())


def require_resources(needed: Sequence[Resources], setting: str, wait_s: float = 0.0) -> None:
    """Refuse work that the cluster can never place, instead of waiting for it.

    Args:
        needed: What must be there at once, such as `{"CPU": 4}` for each worker.
        setting: Dotted keys that ask for it.
        wait_s: For so long nodes are waited for that an autoscaler starts on demand.

    Raises:
        ConfigError: Says what is missing.
    """
    missing = _missing(needed)
    if missing and wait_s > 0:
        logger.info("Waiting up to %g s for nodes with %s", wait_s, _in_words(missing))
        request_resources(bundles=[dict(each) for each in needed])
        given_up_s = time.monotonic() + wait_s
        while missing and time.monotonic() < given_up_s:
            time.sleep(POLL_INTERVAL_S)
            missing = _missing(needed)
        request_resources(bundles=[])  # what holds them from here on is the work
    if missing:
        there = cluster_resources()
        found = _in_words({name: there.get(name, 0.0) for name in missing})
        raise ConfigError(
            f"{setting}: needs {_in_words(missing)}, the cluster has {found}. Ask for less or add nodes; for "
            f"those that are started on demand, wait longer than wait_for_nodes_s = {wait_s:g}."
        )


def _missing(needed: Sequence[Resources]) -> Resources:
    """Return in all what is needed of that of which there is not enough."""
    there, total = cluster_resources(), Counter[str]()
    for each in needed:
        total.update(each)
    return {name: amount for name, amount in total.items() if amount > there.get(name, 0.0)}


def _in_words(resources: Resources) -> str:
    return ", ".join(f"{amount:g} {name}" for name, amount in resources.items())


def _quieten_ray() -> None:
    """Keep messages off the terminal that a user of faceml cannot act on; Ray's log files still have them."""
    quieten_start()
    for handler in logging.getLogger("ray.data").handlers:  # plan, start and end of each execution
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.WARNING)
