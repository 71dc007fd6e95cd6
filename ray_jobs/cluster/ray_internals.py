"""Private parts of Ray, which a new version may change without notice.

Only this module and `local_ray` use them, so that an upgrade of Ray has to be checked only there. They are
those of Ray 2.60.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray._private.ray_constants import RAY_RUNTIME_ENV_IGNORE_GITIGNORE
from ray._private.runtime_env.packaging import get_excludes_from_ignore_files
from ray._raylet import PlacementGroupID
from ray.util.placement_group import PlacementGroup

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient
    from ray.train.torch import TorchTrainer
    from requests import Response

CHECKPOINT_LIST_FILE = "checkpoint_manager_snapshot.json"
"""File in which Ray Train lists the checkpoints of a run."""
HEAD_NODE_RESOURCE = "node:__internal_head__"
"""Resource that the head node of every cluster has, of amount 1."""
LOGGER_OF_UPLOAD = "ray._private.runtime_env.packaging"
"""Logger that reports the paths of the ignore files in effect as if they were the ignored paths."""


def quieten_upload() -> None:
    """Log only warnings and errors during the upload of a working directory."""
    logging.getLogger(LOGGER_OF_UPLOAD).setLevel(logging.WARNING)


def placement_group(hex_id: str) -> PlacementGroup:
    """Return the placement group with the given ID, in the format of `PlacementGroup.id.hex()`."""
    return PlacementGroup(PlacementGroupID(bytes.fromhex(hex_id)))


def read_upload_excludes(folder: Path) -> Sequence[Callable[[Path], bool]]:
    """Return a predicate for each ignore file of a folder, true for paths that are not uploaded."""
    includes_gitignore = os.environ.get(RAY_RUNTIME_ENV_IGNORE_GITIGNORE, "0") != "1"
    excludes: list[Callable[[Path], bool]] = get_excludes_from_ignore_files(
        folder, include_gitignore=includes_gitignore
    )
    return excludes


def build_torch_trainer(train_loop: Callable[[dict[str, Any]], None], **options: Any) -> "TorchTrainer":
    """Build a trainer that leaves Ctrl-C to the job; Ray's own handler exits with status 0.

    It starts none of the processes that a job has no use for. Ray Train's controller runs in the driver.
    There is no process that releases the workers' resources if the controller dies, at which the job ends and
    Ray releases them anyway. Without data sets there is none that serves them, and none that divides the
    cluster between them and the workers.

    Args:
        train_loop: Function that each worker runs.
        **options: Further arguments of `TorchTrainer`.
    """
    # Late, because they import PyTorch and pandas.
    from ray.train.torch import TorchTrainer
    from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
    from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
    from ray.train.v2._internal.constants import ENABLE_CONTROLLER_STRUCTURED_LOGGING_ENV_VAR
    from ray.train.v2._internal.execution.controller import TrainController
    from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
    from ray.train.v2._internal.execution.worker_group import WorkerGroup

    class _WorkerGroup(WorkerGroup):
        def _init_train_context_on_workers(
            self, workers: list[Any], sync_actor: Any, train_context_args: dict[str, list[Any]]
        ) -> None:
            """Send each worker its context, without an actor that it could ask for earlier checkpoints."""
            context = {
                "train_run_context": self._train_run_context,
                "synchronization_actor": sync_actor,
                "storage_context": self._storage_context,
                "worker_callbacks": self._worker_callbacks_to_propagate,
                "controller_actor": None,
            }
            ray.get(
                [
                    worker.actor.init_train_context.remote(
                        distributed_context=worker.distributed_context,
                        **context,
                        **{name: of_workers[number] for name, of_workers in train_context_args.items()},
                    )
                    for number, worker in enumerate(workers)
                ]
            )
            self._decorate_worker_log_file_paths(workers)

    class _Controller(TrainController):
        worker_group_cls = _WorkerGroup

    class _WorkersAlone(FixedScalingPolicy):
        def after_controller_start(self, train_run_context: Any) -> None:
            pass

        def _maybe_send_resource_request(self) -> None:
            pass

    class _Trainer(TorchTrainer):
        def _create_default_callbacks(self) -> list[Any]:
            unused = (
                PlacementGroupCleanerCallback
                if self.datasets
                else (PlacementGroupCleanerCallback, DatasetsCallback)
            )
            callbacks = super()._create_default_callbacks()  # type: ignore[misc] # it sees the old trainer
            return [callback for callback in callbacks if not isinstance(callback, unused)]

        def _initialize_and_run_controller(self, **of_controller: Any) -> Any:
            if not self.datasets:
                of_controller["scaling_policy"] = _WorkersAlone(
                    self.scaling_config  # type: ignore[arg-type] # it sees the old trainer
                )
            os.environ.setdefault(ENABLE_CONTROLLER_STRUCTURED_LOGGING_ENV_VAR, "0")
            with _in_log_file("ray.train"):
                controller = _Controller(**of_controller)
                asyncio.run(controller.run())  # type: ignore[no-untyped-call]
            return controller.get_result()

    return _Trainer(train_loop, **options)


@contextmanager
def _in_log_file(name: str) -> Iterator[None]:
    """Write the lines of a logger of Ray only to a file in the log folder of Ray's session."""
    from ray.train.v2._internal.logging.logging import SessionFileHandler

    log, handler = logging.getLogger(name), SessionFileHandler(f"{name}-{os.getpid()}.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    with ExitStack() as stack:
        stack.callback(setattr, log, "propagate", log.propagate)
        stack.callback(log.setLevel, log.level)
        stack.callback(log.removeHandler, handler)
        log.propagate = False
        log.setLevel(logging.INFO)
        log.addHandler(handler)
        yield


def connect_job_client(
    address: str, timeout_s: float, headers: dict[str, str] | None = None
) -> "JobSubmissionClient":
    """Connect to the job server of a cluster; Ray's own client waits for each answer without limit.

    Args:
        address: URL of the cluster's dashboard.
        timeout_s: Longest wait for an answer.
        headers: Headers of each request, in addition to Ray's.

    Raises:
        ConnectionError, RuntimeError: The cluster cannot be reached, or refuses.
    """
    from ray.job_submission import JobSubmissionClient  # late: workers do not need it

    class _ClientWithTimeout(JobSubmissionClient):
        def _do_request(self, method: str, endpoint: str, **options: Any) -> "Response":
            response: Response = super()._do_request(method, endpoint, **{"timeout": timeout_s} | options)
            return response

    return _ClientWithTimeout(address, headers=headers)
