"""Where a training may be told of, and what never gets into its config.yaml."""

from pathlib import Path

import pytest

from faceml.config.config_error import ConfigError
from faceml.config.loading import parse_config
from faceml.config.sections.tracking import MlflowTracking


def tracking(uri: str) -> MlflowTracking:
    return parse_config(MlflowTracking, {"kind": "mlflow", "uri": uri}, "tracking")


@pytest.mark.parametrize(
    "uri",
    [
        "https://mlflow.example.org",
        "http://127.0.0.1:5000",
        "databricks",
        "databricks://profile",
        "postgresql://faceml@db.example.org/mlflow",
        "mysql+pymysql://faceml@db.example.org/mlflow",
        "sqlite:////data/mlflow.db",
    ],
)
def test_mlflow_tracking__places_that_mlflow_knows_stay_as_they_are(uri: str) -> None:
    assert tracking(uri).uri == uri


def test_mlflow_tracking__the_file_of_a_database_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tracking("sqlite:///runs/mlflow.db").uri == f"sqlite:///{tmp_path}/runs/mlflow.db"


@pytest.mark.parametrize(
    "uri",
    [
        "https://me:secret@mlflow.example.org",
        "https://secret@mlflow.example.org",
        "postgresql+psycopg2://me:secret@db.example.org/mlflow",
    ],
)
def test_mlflow_tracking__a_password_is_refused_and_not_told(uri: str) -> None:
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_TOKEN for a server, PGPASSWORD") as refused:
        tracking(uri)
    assert "secret" not in str(refused.value)
    assert f"'tracking.uri' = '{uri.partition('://')[0]}://***@" in str(refused.value)


@pytest.mark.parametrize(
    "uri", ["mlruns", "file:///mlruns", "s3://bucket/mlruns", "ftp://x", "sqlite://", ""]
)
def test_mlflow_tracking__other_places_are_refused_with_an_example(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"'tracking\.uri' = .*: must .*, such as sqlite:///mlflow\.db"):
        tracking(uri)
