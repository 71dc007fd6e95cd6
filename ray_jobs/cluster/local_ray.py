"""Ray on one machine, with no more processes than a job needs, by private parts of Ray 2.60."""

import logging
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import ray
import ray._private.node
import ray._private.services
import ray._private.utils
import ray._private.worker
from ray._private.node import Node
from ray._private.ray_constants import PROCESS_TYPE_RAYLET
from ray._private.services import start_ray_process
from ray._raylet import (  # type: ignore[attr-defined] # its type stub lacks them
    DASHBOARD_AGENT_LISTEN_PORT_NAME,
    METRICS_AGENT_PORT_NAME,
    METRICS_EXPORT_PORT_NAME,
    persist_port,
)

LOGGERS_OF_START = ("ray._private.authentication.authentication_token_setup", "ray.data._internal.progress")
"""Loggers that report at every start that token authentication is on and Ray's progress bars are off."""
START_TIMEOUTS = ("timed out during startup", "Timed out", "Failed to connect to GCS")
"""Parts of the messages of errors at the start of a local cluster that is too slow."""
UNUSED_PORTS = (DASHBOARD_AGENT_LISTEN_PORT_NAME, METRICS_AGENT_PORT_NAME, METRICS_EXPORT_PORT_NAME)
"""Ports of the agent that serves the dashboard and exports metrics."""
IDLE_AGENT = (sys.executable, "-I", "-S", str(Path(__file__).with_name("idle_agent.py")))
"""Command of a process in place of this agent."""


def quieten_start() -> None:
    """Log only errors during the start of Ray."""
    for name in LOGGERS_OF_START:
        logging.getLogger(name).setLevel(logging.ERROR)


class _LocalNode(Node):
    """Node of a cluster that lasts as long as a job, without processes that such a job has no use for.

    They are the autoscaler, the monitor that sends the output of workers to the driver, and the dashboard.
    """

    def start_monitor(self) -> None:
        pass

    def start_log_monitor(self) -> None:
        pass

    def start_api_server(self, **options: Any) -> None:
        pass


def start_local_cluster(*, exports_metrics: bool = False, **options: Any) -> None:
    """Start a cluster on this machine with no more processes than a job needs, and connect to it.

    Args:
        exports_metrics: Whether the agent of the dashboard runs, which exports metrics too. The start of Ray
            waits for its imports.
        **options: Further arguments of `ray.init`.
    """
    with ExitStack() as stack:
        stack.enter_context(_replaced(ray._private.node, Node=_LocalNode))
        if not exports_metrics:
            stack.enter_context(_replaced(ray._private.services, start_ray_process=_start_process))
            # Whether the packages of the agent are installed does not matter, and the answer imports them.
            stack.enter_context(_replaced(ray._private.utils, get_dashboard_dependency_error=ImportError))
        ray.init("local", include_dashboard=False, **options)


def _start_process(command: list[str], process_type: str, **options: Any) -> Any:
    """Start a process of Ray; a raylet with `IDLE_AGENT` as its agent, which serves no ports."""
    if process_type == PROCESS_TYPE_RAYLET:
        values = dict(word.partition("=")[::2] for word in command)
        for port in UNUSED_PORTS:
            persist_port(values["--session_dir"], values["--node_id"], port, -1)
        agent = "--dashboard_agent_command"
        command = [word for word in command if not word.startswith(f"{agent}=")]
        command.append(f"{agent}={subprocess.list2cmdline(IDLE_AGENT)}")
    return start_ray_process(command, process_type, **options)


def begin_to_shut_down(threads: Executor) -> None:
    """Disconnect, and end the processes that were started with the connection in another thread.

    Disconnecting itself is left to this thread: the references to objects that it frees use the connection.

    Args:
        threads: Runs the thread; when it has been shut down, the processes have ended.
    """
    node = ray._private.worker._global_node
    with ExitStack() as stack:
        if isinstance(node, _LocalNode):
            end = partial(threads.submit, node.kill_all_processes)
            vars(node)["kill_all_processes"] = end
            stack.callback(vars(node).pop, "kill_all_processes")
        ray.shutdown()


@contextmanager
def data_without_helpers() -> Iterator[None]:
    """Run Ray Data without actors of its own in the block, if this job has started a cluster on this machine.

    There are three otherwise, and the first task waits until they have started: one shows statistics on the
    dashboard, one divides a cluster that grows between jobs, and one knows the nodes of restarted actors.
    """
    if not isinstance(ray._private.worker._global_node, _LocalNode):
        yield
        return
    # Late, because they import pandas.
    import ray.data._internal.execution.operators.actor_pool_map_operator as actor_pool
    import ray.data._internal.execution.streaming_executor as executor
    from ray.data._internal import stats

    with (
        _replaced(stats, get_or_create_stats_actor=_NoActor),
        _replaced(stats._StatsManager, gen_dataset_id_from_stats_actor=lambda: uuid.uuid4().hex),
        _replaced(executor, create_cluster_autoscaler=_constant_cluster),
        _replaced(
            actor_pool,
            get_or_create_actor_location_tracker=_NoActor,
            get_actor_locations=lambda actors: {},  # it is that of the actor's start
        ),
    ):
        yield


class _NoMethod:
    """Method of an actor that does nothing."""

    def remote(self, *arguments: Any) -> None:
        pass


class _NoActor:
    """Handle that takes the place of that of a helper of Ray Data."""

    register_dataset = update_execution_metrics = update_iteration_metrics = _NoMethod()
    update_actor_location = _NoMethod()


def _constant_cluster(*arguments: Any, **options: Any) -> Any:
    """Return an autoscaler of Ray Data for a cluster that stays as it is."""
    from ray.data._internal.cluster_autoscaler import ClusterAutoscaler
    from ray.data._internal.execution.interfaces import ExecutionResources

    resources: ExecutionResources = ExecutionResources.from_resource_dict(
        ray.cluster_resources()  # type: ignore[no-untyped-call]
    )

    class _ConstantCluster(ClusterAutoscaler):
        def try_trigger_scaling(self) -> None:
            pass

        def on_executor_shutdown(self) -> None:
            pass

        def get_total_resources(self) -> ExecutionResources:
            return resources

    return _ConstantCluster()


@contextmanager
def _replaced(place: ModuleType | type, **replacements: Any) -> Iterator[None]:
    """Replace names of a module or a class in the block."""
    with ExitStack() as stack:
        for name, replacement in replacements.items():
            stack.callback(setattr, place, name, vars(place)[name])
            setattr(place, name, replacement)
        yield


def is_start_timeout(error: BaseException) -> bool:
    """Return whether an error means that the processes of a local cluster did not start in time."""
    return any(part in str(error) for part in START_TIMEOUTS)
