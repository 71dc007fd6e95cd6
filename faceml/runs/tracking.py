"""Building the tracking of a training that a configuration names."""

import os
from importlib.util import find_spec

from faceml.config import SERVERS, ConfigError, TrainConfig, dotted_keys
from faceml.runs.tracker import NoTracking, Tracking

# MLflow waits minutes for a server that does not answer, prints to stdout, and tells its makers of every run.
# What a user has set stays.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}


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
    from faceml.runs.mlflow_run import MlflowRun

    params = dotted_keys(config.model_dump(mode="json"))
    return MlflowRun(tracking.uri, tracking.experiment, config.run.folder, params, tracking.log_model)
