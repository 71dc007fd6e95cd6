"""Private parts of Ray, which a new version may change without notice.

Only this module uses them, so that an upgrade of Ray has to be checked only here. They are those of Ray 2.60.
"""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
LOGGERS_OF_START = ("ray._private.authentication.authentication_token_setup", "ray.data._internal.progress")
"""Loggers that report at every start that token authentication is on and Ray's progress bars are off."""
START_TIMEOUTS = ("timed out during startup", "Timed out", "Failed to connect to GCS")
"""Parts of the messages of errors at the start of a local cluster that is too slow."""
LOGGER_OF_UPLOAD = "ray._private.runtime_env.packaging"
"""Logger that reports the paths of the ignore files in effect as if they were the ignored paths."""


def quieten_start() -> None:
    """Log only errors during the start of Ray."""
    for name in LOGGERS_OF_START:
        logging.getLogger(name).setLevel(logging.ERROR)


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


def is_start_timeout(error: BaseException) -> bool:
    """Return whether an error means that the processes of a local cluster did not start in Ray's 30 s."""
    return any(part in str(error) for part in START_TIMEOUTS)


def build_torch_trainer(train_loop: Callable[[dict[str, Any]], None], **options: Any) -> "TorchTrainer":
    """Build a trainer that leaves Ctrl-C to the job; Ray's own handler exits with status 0.

    It starts none of the processes that a job has no use for: one that releases the workers' resources if
    the controller dies, at which the job ends and Ray releases them anyway; and one that serves data sets,
    unless there are any.

    Args:
        train_loop: Function that each worker runs.
        **options: Further arguments of `TorchTrainer`.
    """
    from ray.train.torch import TorchTrainer  # late: it imports PyTorch
    from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
    from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback

    class _Trainer(TorchTrainer):
        def _register_sigint_handler(self, controller: Any) -> None:
            pass

        def _create_default_callbacks(self) -> list[Any]:
            unused = (
                PlacementGroupCleanerCallback
                if self.datasets
                else (PlacementGroupCleanerCallback, DatasetsCallback)
            )
            callbacks = super()._create_default_callbacks()  # type: ignore[misc] # it sees the old trainer
            return [callback for callback in callbacks if not isinstance(callback, unused)]

    return _Trainer(train_loop, **options)


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
