"""Reaching a Ray cluster: the one this job was submitted to, or one of this machine's own."""

import logging
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ray
import ray.data  # its import sets up the loggers that are quietened below

from faceml.config.base import Config
from faceml.config.config_error import ConfigError
from faceml.config.paths import refuse_outputs_below, refuse_paths_of_one_node
from ray_jobs.job_log import include_loggers


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


def require_reach(config: Config) -> None:
    """Refuse local paths on a cluster of several nodes, unless the job says that all of them mount them.

    Of a submitted job, refuse to write into the folder that was uploaded with it.

    Raises:
        ConfigError: Names a path and the remedy.
    """
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    refuse_paths_of_one_node(config, sum(node["Alive"] for node in nodes))
    if "working_dir" in ray.get_runtime_context().runtime_env:
        refuse_outputs_below(config, Path.cwd())


def require_resources(needed: dict[str, float], setting: str) -> None:
    """Refuse work that the cluster can never place, instead of waiting for it.

    Args:
        needed: Resources that must be there at once, such as `{"CPU": 4}`.
        setting: Dotted keys that ask for them.

    Raises:
        ConfigError: Says what is missing.
    """
    there = cluster_resources()
    missing = {name: amount for name, amount in needed.items() if amount > there.get(name, 0.0)}
    if missing:
        wanted = ", ".join(f"{amount:g} {name}" for name, amount in missing.items())
        found = ", ".join(f"{there.get(name, 0.0):g} {name}" for name in missing)
        raise ConfigError(f"{setting}: needs {wanted}, the cluster has {found}. Ask for less or add nodes.")


def _quieten_ray() -> None:
    """Keep off the terminal what Ray says at every start and a user of faceml can do nothing about.

    That tokens are on, as by default; that its own progress bars are off; plan, start and end of Ray Data's
    work. Ray's log files still have all of it.
    """
    for name in ("ray._private.authentication.authentication_token_setup", "ray.data._internal.progress"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.WARNING)
