"""Connection to a Ray cluster: the one that the job was submitted to, or a new one on this machine."""

import logging
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ray
import ray.data  # the import configures loggers whose level is set below
from ray.autoscaler.sdk import request_resources

from faceml.config import Config, ConfigError, refuse_outputs_below, refuse_paths_of_one_node
from ray_jobs.cluster.log import include_loggers
from ray_jobs.cluster.ray_internals import quieten_start

logger = logging.getLogger(__name__)

Resources = Mapping[str, float]
POLL_INTERVAL_S = 1.0


class RayCluster:
    """Context manager of a connection to Ray; a cluster that was running before keeps running.

    A submitted job connects to the cluster in `RAY_ADDRESS`. Without this variable, Ray is started on all
    CPUs of this machine, without dashboard, and stopped at the end.

    Attributes:
        may_grow: True if nodes may join the cluster later.
    """

    may_grow = False

    def __enter__(self) -> Self:
        self._started = not ray.is_initialized()
        if self._started:
            _quieten_ray()
            address = os.environ.get("RAY_ADDRESS", "local")
            local = address == "local"
            self.may_grow = not local
            # Ray Train polls at this interval for dead workers, checkpoints and the end of a training.
            os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
            # Trials keep the working directory of the job, so that relative paths stay valid.
            os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
            # Ray Tune's newer output prints a table at every verbosity.
            os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
            if local:  # a single machine is not preempted; the watcher would be another process
                os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
            # Workers return results and raise exceptions; their other output is in Ray's logs.
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
    """Return the total resources of all nodes, whether in use or free."""
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return resources


def cluster_cpus() -> int:
    """Return the number of CPUs of the cluster, at least 1."""
    return max(1, int(cluster_resources().get("CPU", 1)))


def cluster_cpus_with_memory(bytes_each: int) -> int:
    """Return the number of CPUs of the cluster that can work at once if each needs this much memory.

    Args:
        bytes_each: Memory for each CPU, bytes.
    """
    memory = cluster_resources().get("memory", float("inf"))
    return max(1, int(min(cluster_cpus(), memory // bytes_each)))


def require_reach(config: Config, waits_for_nodes: bool = False) -> None:
    """Refuse local paths on a cluster of several nodes, unless the configuration declares them shared.

    Also refuse outputs of a submitted job in its uploaded working directory.

    Args:
        config: Configuration of the job.
        waits_for_nodes: If True, the job waits for nodes that have not started yet.

    Raises:
        ConfigError: A path cannot be used; names it and the remedy.
    """
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    alive = [node for node in nodes if node["Alive"]]
    # Other nodes do the work too if they start later, or if this node has no CPU.
    is_head_alone = len(alive) == 1 and (waits_for_nodes or not alive[0]["Resources"].get("CPU"))
    refuse_paths_of_one_node(config, len(alive) + is_head_alone)
    if "working_dir" in ray.get_runtime_context().runtime_env:
        refuse_outputs_below(config, Path.cwd())


def require_resources(needed: Sequence[Resources], setting: str, wait_s: float = 0.0) -> None:
    """Refuse work that needs more resources than the cluster has, instead of waiting forever.

    Args:
        needed: Resources needed at the same time, such as `{"CPU": 4}` for each worker.
        setting: Dotted keys of the settings that determine them.
        wait_s: Longest wait for nodes that an autoscaler starts on demand, s.

    Raises:
        ConfigError: Resources are missing; names them.
    """
    missing = _missing(needed)
    if missing and wait_s > 0:
        logger.info("Waiting up to %g s for nodes with %s", wait_s, _in_words(missing))
        request_resources(bundles=[dict(each) for each in needed])
        given_up_s = time.monotonic() + wait_s
        while missing and time.monotonic() < given_up_s:
            time.sleep(POLL_INTERVAL_S)
            missing = _missing(needed)
        request_resources(bundles=[])  # from here on the work itself requests them
    if missing:
        there = cluster_resources()
        found = _in_words({name: there.get(name, 0.0) for name in missing})
        raise ConfigError(
            f"{setting}: needs {_in_words(missing)}, the cluster has {found}. Ask for less or add nodes; for "
            f"those that are started on demand, wait longer than wait_for_nodes_s = {wait_s:g}."
        )


def _missing(needed: Sequence[Resources]) -> Resources:
    """Return the total need of each resource of which the cluster has too little."""
    there, total = cluster_resources(), Counter[str]()
    for each in needed:
        total.update(each)
    return {name: amount for name, amount in total.items() if amount > there.get(name, 0.0)}


def _in_words(resources: Resources) -> str:
    return ", ".join(f"{amount:g} {name}" for name, amount in resources.items())


def _quieten_ray() -> None:
    """Log Ray's routine messages only to its log files; a user of faceml cannot act on them."""
    quieten_start()
    for handler in logging.getLogger("ray.data").handlers:  # plan, start and end of each execution
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.WARNING)
