"""Credentials in URIs are refused in every spelling, and no message shows them."""

import pytest

from faceml.config.config_error import ConfigError
from faceml.config.loading import apply_overrides, parse_config
from faceml.config.sections.split import SplitConfig
from faceml.config.sections.tracking import MlflowTracking
from faceml.config.uris import find_uri_mistake, mask_credentials
from faceml.storage.folder import StorageFolder

ALLOWED = [
    "s3://bucket/a",
    "s3://my.bucket-1/a b/%40?region=eu-west-1&endpoint_override=localhost:9000&scheme=http",
    "s3://bucket/a?endpoint_override=https%3A%2F%2Fminio.example.org",
    "gs://bucket/a?project_id=faces",
    "gs://anonymous@bucket/a",
    "abfss://faces@account.dfs.core.windows.net/a/b",
    "abfs://account.blob.core.windows.net/faces/a?credential_kind=cli&enable_tls=true",
    "abfs://faces/a",
    "hdfs://me@namenode:8020/faces?replication=1",
    "hdfs:///faces",
]
SECRET = "hunter2"
REFUSED = [
    f"s3://key:{SECRET}@bucket/a",
    f"s3://{SECRET}@bucket/a",
    f"s3://key:ab/{SECRET}@bucket/a",
    f"s3://key:{SECRET}/bucket/a",
    f"s3://bucket/a?secret_key={SECRET}",
    f"s3://bucket/a?region=eu;secret_key={SECRET}",
    f"s3://bucket/a?{SECRET}",
    f"s3://bucket/a?secret_key={SECRET} {SECRET}",
    f"s3://bucket/a?endpoint_override=key:{SECRET}@host",
    f"s3://bucket/a?endpoint_override=https%3A%2F%2Fkey%3A{SECRET}%40host",
    f"s3://bucket/a#{SECRET}",
    f"gs://bucket/a?token={SECRET}",
    f"gs://{SECRET}@bucket/a",
    f"abfss://faces@account.dfs.core.windows.net/a?sig={SECRET}",
    f"abfss://faces@account.dfs.core.windows.net/a?client_secret={SECRET}",
    f"abfss://faces:{SECRET}@account.dfs.core.windows.net/a",
    f"abfs://account:{SECRET}@localhost:10000/faces",
    f"hdfs://me:{SECRET}@namenode/a",
    f"hdfs://namenode/a?password={SECRET}",
    f"S3://key:{SECRET}@bucket/a",
    f"ftp://me:{SECRET}@host/a?token={SECRET}",
]


@pytest.mark.parametrize("uri", ALLOWED)
def test_find_uri_mistake__none(uri: str) -> None:
    assert find_uri_mistake(uri) is None
    assert mask_credentials(f"--set a={uri}") == f"--set a={uri}"
    assert parse_config(SplitConfig, {"table": uri}).table == uri
    assert StorageFolder(uri).uri == uri


def messages(uri: str) -> list[str]:
    """Return what is said of a URI in a setting, an unknown setting, a list, and outside of settings."""
    found = []
    for raw in (
        {"table": uri},
        {"table": "t", "imagse": uri},
        {"table": [uri]},
        {"table": "t", "images": {"uri": uri}},
    ):
        with pytest.raises(ConfigError) as refused:
            parse_config(SplitConfig, raw)
        found.append(str(refused.value))
    for override in (f"table.a={uri}", f"={uri}", f"table=['{uri}"):
        with pytest.raises(ConfigError) as refused:
            apply_overrides({"table": "t"}, [override])
        found.append(str(refused.value))
    with pytest.raises(ConfigError) as refused:
        StorageFolder(uri)
    return [*found, str(refused.value)]


@pytest.mark.parametrize("uri", REFUSED)
def test_find_uri_mistake__credentials_are_refused_and_in_no_message(uri: str) -> None:
    for message in messages(uri):
        assert SECRET not in message
        assert message.count("\n") == 0


@pytest.mark.parametrize(
    "uri",
    [
        f"postgresql://me@db/mlflow?password={SECRET}",
        f"postgresql:///mlflow?host=db&sslpassword={SECRET}",
        f"mssql+pyodbc:///?odbc_connect=PWD%3D{SECRET}",
        f"https://mlflow.example.org?token={SECRET}",
        f"https://mlflow.example.org#{SECRET}",
    ],
)
def test_mlflow_tracking__parameters_with_credentials_are_refused(uri: str) -> None:
    with pytest.raises(
        ConfigError, match=r"'tracking'?.*must not contain passwords|must not contain"
    ) as refused:
        parse_config(MlflowTracking, {"kind": "mlflow", "uri": uri}, "tracking")
    assert SECRET not in str(refused.value)


def test_mlflow_tracking__other_parameters_are_allowed() -> None:
    uri = "postgresql://faceml@db.example.org/mlflow?sslmode=require"
    assert parse_config(MlflowTracking, {"kind": "mlflow", "uri": uri}).uri == uri
