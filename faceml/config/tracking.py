"""Where a training is told of, beside its run folder."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from faceml.config.base import Config

SERVERS = ("http", "https", "databricks")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
"""What MLflow keeps runs in; folders of files it gave up."""
SQLITE = "sqlite:///"


def _tracking_uri(uri: str) -> str:
    """Return the URI, the file of an SQLite database made absolute, so that a resumed run finds it again.

    Raises:
        ValueError: No place that MLflow knows, or the URI carries a password or a token.
    """
    parts = urlsplit(uri)
    scheme = parts.scheme.partition("+")[0]  # a database may name its driver, as in mysql+pymysql
    if uri != "databricks" and scheme not in SERVERS + DATABASES:
        raise ValueError(
            "must be a server, such as https://mlflow.example.org, or a database, such as sqlite:///mlflow.db"
        )
    # The user of a database is no secret; what stands before the @ of a server may be a token.
    if parts.password is not None or (scheme in SERVERS and parts.username is not None):
        raise ValueError(
            "passwords do not belong into a URI, which is written to config.yaml. Set them in the "
            "environment: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD or MLFLOW_TRACKING_TOKEN of "
            "a server, PGPASSWORD or the like of a database"
        )
    if scheme == "sqlite":
        if not uri.startswith(SQLITE) or uri == SQLITE:
            raise ValueError(f"must name a file, such as {SQLITE}mlflow.db")
        return f"{SQLITE}{Path(uri.removeprefix(SQLITE)).absolute()}"
    return uri


class MlflowTracking(Config):
    """A run of an MLflow experiment; needs `pip install 'faceml[mlflow]'`."""

    kind: Literal["mlflow"]
    uri: Annotated[str, AfterValidator(_tracking_uri)]
    """A server, such as https://mlflow.example.org, or a database, such as sqlite:///mlflow.db."""
    experiment: Annotated[str, Field(min_length=1)] = "faceml"
    """Made if it is not there."""
    log_model: bool = False
    """Also upload best_model.pt, beside config.yaml, summary.json and report.html."""
