"""Experiment tracking of a training, beside its run folder."""

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Protocol, Self

from faceml.config import SERVERS, ConfigError, TrainConfig, dotted_keys

# MLflow waits minutes for a server that does not answer, prints to stdout, and sends usage statistics.
# Variables that the user has set take precedence.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}


class Tracking(Protocol):
    """Tracker of one training, entered while the training runs."""

    def __enter__(self) -> Self:
        """Start a run, or resume that of an interrupted training."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Mark the run as failed if the block ends with an error."""
        ...

    def log_epochs(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Log the records of all epochs so far."""
        ...

    def log_summary(self, summary: Mapping[str, Any]) -> None:
        """Log the summary once the run folder is complete."""
        ...


class NoTracking:
    """Log nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def log_epochs(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Ignore the records."""

    def log_summary(self, summary: Mapping[str, Any]) -> None:
        """Ignore the summary."""


def build_tracking(config: TrainConfig) -> Tracking:
    """Build the tracker that the section `tracking` describes, and connect to it.

    Raises:
        ConfigError: A package is missing, or the tracking server or database cannot be reached.
    """
    tracking = config.tracking
    if tracking is None:
        return NoTracking()
    in_database = tracking.uri.partition(":")[0] not in SERVERS
    for package in ("mlflow", *(("sqlalchemy", "alembic") if in_database else ())):
        if find_spec(package) is None:
            raise ConfigError(
                f"tracking.kind: mlflow needs the package {package}: pip install 'faceml[mlflow]'"
            )
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from faceml.runs.mlflow_run import MlflowRun

    params = dotted_keys(config.model_dump(mode="json"))
    return MlflowRun(tracking.uri, tracking.experiment, config.run.folder, params, tracking.log_model)
