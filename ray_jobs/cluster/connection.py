"""Connection to a Ray cluster: the one that the job was submitted to, or a new one on this machine."""

import logging
import os
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import ray

from faceml.config import Config, ConfigError, refuse_outputs_below, refuse_paths_of_one_node
from faceml.errors import StoppedError, catch_errors, flatten_message, translate_errors
from ray_jobs.cluster.exit_status import SignalExit, keep_signal_handlers
from ray_jobs.cluster.local_ray import (
    begin_to_shut_down,
    is_start_timeout,
    quieten_start,
    start_local_cluster,
)
from ray_jobs.cluster.log import include_loggers
from ray_jobs.cluster.placement import cluster_nodes

logger = logging.getLogger(__name__)

CONNECT_S = 30
"""Time in which the head node of a cluster answers a connection, in s."""


class RayCluster:
    """Context manager of a connection to Ray; a cluster that was running before keeps running.

    A submitted job connects to the cluster in `RAY_ADDRESS`. Without this variable, Ray is started on all
    CPUs of this machine, without dashboard, and stopped at the end.

    Args:
        *imports: Modules that the job uses later, imported in a thread meanwhile. Ray mostly waits for its
            processes when it starts.

    Attributes:
        may_grow: True if nodes may join the cluster later.
    """

    may_grow = False

    def __init__(self, *imports: str) -> None:
        self._imports = imports

    def __enter__(self) -> Self:
        self._started = not ray.is_initialized()
        self._threads = ThreadPoolExecutor(max_workers=2)
        if self._started:
            quieten_start()
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
            # Ctrl-C ends a search as any other job, with the status of the signal.
            os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
            self._threads.submit(_import, "ray.data", *self._imports)
            with catch_errors(StoppedError) as caught:
                _connect(address)
            if caught.error is not None:
                logger.warning("%s Trying once more.", caught.error)
                ray.shutdown()
                _connect(address)
            import_module("ray.data")  # which configures its loggers
            _quieten_ray_data()
            include_loggers("ray", "ray.data")
        return self

    def disconnect(self) -> None:
        """Disconnect; Ray's processes on this machine end while the rest of the block runs."""
        if self._started:
            begin_to_shut_down(self._threads)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._started:
            ray.shutdown()
        self._threads.shutdown()


def _import(*modules: str) -> None:
    for module in modules:
        import_module(module)


def _connect(address: str) -> None:
    """Connect to a cluster, or start one.

    Raises:
        ConfigError: No cluster can be reached at the address, or it is none.
        StoppedError: The processes of a cluster on this machine did not start in the time that Ray gives.
        SignalExit: SIGTERM arrived, at which Ray exits with a status of its own while it starts.
    """
    with (
        translate_errors(Exception, _translate_timeout),
        translate_errors(SystemExit, _translate_exit),
        keep_signal_handlers(),
    ):
        # Workers return results and raise exceptions; their other output is in Ray's logs.
        options: dict[str, Any] = {"logging_level": logging.WARNING, "log_to_driver": False}
        if address == "local":
            start_local_cluster(**options)
        else:
            with translate_errors((OSError, ValueError), _unreachable(address)):
                _reach(address)
            with translate_errors((ConnectionError, ValueError), _unreachable(address)):
                ray.init(address, **options)


def _reach(address: str) -> None:
    """Connect to the port of an address, which Ray tries for minutes without saying why.

    Raises:
        OSError: The host is not known, or nothing listens there.
        ValueError: The port is no number.
    """
    parts = urlsplit(address if "://" in address else f"ray://{address}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), timeout=CONNECT_S).close()


def _unreachable(address: str) -> Callable[[Exception], ConfigError]:
    return lambda error: ConfigError(
        f"RAY_ADDRESS: no Ray cluster can be reached at {address!r} "
        f"({flatten_message(error).partition('. ')[0].rstrip('.')}). Name the address of its head node, such "
        "as HOST:6379, or unset RAY_ADDRESS to use this machine alone."
    )


def _translate_timeout(error: Exception) -> StoppedError | None:
    if not is_start_timeout(error):
        return None
    reason = flatten_message(error).partition(". ")[0].rstrip(".")
    return StoppedError(
        f"Ray did not start ({reason}): this machine is busy or short of memory. Run the same command again "
        "when it is less busy."
    )


def _translate_exit(error: SystemExit) -> SignalExit | None:
    return None if isinstance(error, SignalExit) else SignalExit(signal.SIGTERM)


def require_reach(config: Config, waits_for_nodes: bool = False) -> None:
    """Refuse local paths on a cluster of several nodes, unless the configuration declares them shared.

    Also refuse outputs of a submitted job in its uploaded working directory.

    Args:
        config: Configuration of the job.
        waits_for_nodes: If True, the job waits for nodes that have not started yet.

    Raises:
        ConfigError: A path cannot be used; names it and the remedy.
    """
    nodes = cluster_nodes()
    # Other nodes do the work too if they start later, or if this node has no CPU.
    is_head_alone = len(nodes) == 1 and (waits_for_nodes or not nodes[0].get("CPU"))
    refuse_paths_of_one_node(config, len(nodes) + is_head_alone)
    if "working_dir" in ray.get_runtime_context().runtime_env:
        refuse_outputs_below(config, Path.cwd())


def _quieten_ray_data() -> None:
    """Log the routine messages of Ray Data only to its log files; a user of faceml cannot act on them."""
    for handler in logging.getLogger("ray.data").handlers:  # plan, start and end of each execution
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.WARNING)
