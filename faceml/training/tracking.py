"""Whom a training tells how it goes, beside its run folder."""

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Protocol, Self

from faceml.config.config_error import ConfigError
from faceml.config.loading import dotted_keys
from faceml.config.tracking import SERVERS
from faceml.config.train import TrainConfig

Record = Mapping[str, Any]

# MLflow waits minutes for a server that does not answer, prints to stdout, and tells its makers of every run.
# What a user has set stays.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}


class Tracking(Protocol):
    """Is open while a training runs; one that cannot go on says so by how the block ends."""

    def __enter__(self) -> Self:
        """Begin, or go on with what an interrupted training began."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, with or without an error."""
        ...

    def tell(self, records: Sequence[Record]) -> None:
        """Hear the records of all epochs until now."""
        ...

    def finish(self, summary: Record) -> None:
        """Hear the summary, once the run folder is complete."""
        ...


class NoTracking:
    """Tell nobody."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def tell(self, records: Sequence[Record]) -> None:
        """Ignore the records."""

    def finish(self, summary: Record) -> None:
        """Ignore the summary."""


def build_tracking(config: TrainConfig) -> Tracking:
    """Reach what `tracking` names.

    Raises:
        ConfigError: A package is missing, or the place does not answer.
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
    from faceml.training.mlflow_run import MlflowRun

    params = dotted_keys(config.model_dump(mode="json"))
    return MlflowRun(tracking.uri, tracking.experiment, config.run.folder, params, tracking.log_model)
