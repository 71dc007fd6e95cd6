"""Configuration of experiment tracking."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from faceml.config.base import Config
from faceml.config.uris import has_only_parameters

SERVERS = ("http", "https", "databricks")
DATABASES = {
    "sqlite": (),
    "postgresql": ("application_name", "connect_timeout", "sslmode", "sslrootcert"),
    "mysql": ("charset", "ssl_ca", "ssl_verify_cert"),
    "mssql": ("driver", "Encrypt", "TrustServerCertificate"),
}
"""Databases that MLflow supports, with the parameters that their URIs may have."""
SQLITE = "sqlite:///"


def _tracking_uri(uri: str) -> str:
    """Return the URI, with the file of an SQLite database made absolute for resumed runs.

    Raises:
        ValueError: MLflow does not support the URI, or it has a password, a token or another parameter.
    """
    parts = urlsplit(uri)
    scheme = parts.scheme.partition("+")[0]  # a database URI may include the driver, as in mysql+pymysql
    if uri != "databricks" and scheme not in (*SERVERS, *DATABASES):
        raise ValueError(
            "must be a server, such as https://mlflow.example.org, or a database, such as sqlite:///mlflow.db"
        )
    # The user name of a database is not secret; the part before the @ of a server may be a token.
    allowed: tuple[str, ...] = DATABASES.get(scheme, ())
    has_user = parts.password is not None or (scheme in SERVERS and parts.username is not None)
    if has_user or parts.fragment or not has_only_parameters(uri, allowed):
        raise ValueError(
            f"may have the parameters {', '.join(allowed) or '(none)'} only, and must not contain passwords, "
            "because it is written to config.yaml. Set them in the environment: MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD or MLFLOW_TRACKING_TOKEN for a server, PGPASSWORD or its equivalent "
            "for a database"
        )
    if scheme == "sqlite":
        if not uri.startswith(SQLITE) or uri == SQLITE:
            raise ValueError(f"must name a file, such as {SQLITE}mlflow.db")
        return f"{SQLITE}{Path(uri.removeprefix(SQLITE)).absolute()}"
    return uri


class MlflowTracking(Config):
    """Tracking as a run of an MLflow experiment; needs `pip install 'faceml[mlflow]'`."""

    kind: Literal["mlflow"]
    uri: Annotated[str, AfterValidator(_tracking_uri)]
    """URI of a server, such as https://mlflow.example.org, or a database, such as sqlite:///mlflow.db."""
    experiment: Annotated[str, Field(min_length=1)] = "faceml"
    """Name of the experiment, created if it does not exist."""
    log_model: bool = False
    """Upload best_model.pt too, besides config.yaml, summary.json and report.html."""
