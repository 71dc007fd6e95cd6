"""Allowed forms of URIs, which contain no credentials, and the masking of others in messages.

URIs are written to `config.yaml`, checkpoints, logs and reports. Only parameters that are known not to be
secret are accepted.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit


class UriForm(NamedTuple):
    """Form of the URIs of a store.

    Attributes:
        authority: Pattern of the part between `://` and the first slash.
        example: URI in this form.
        parameters: Names of the parameters.
        credentials: Environment variables of the credentials.
    """

    authority: str
    example: str
    parameters: tuple[str, ...]
    credentials: str


BUCKET = r"[A-Za-z0-9][A-Za-z0-9._-]*"
S3 = UriForm(
    BUCKET,
    "s3://bucket/folder",
    ("endpoint_override", "region", "scheme"),
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
)
GOOGLE = UriForm(
    rf"(anonymous@)?{BUCKET}",
    "gs://bucket/folder",
    ("default_bucket_location", "endpoint_override", "project_id", "retry_limit_seconds", "scheme"),
    "GOOGLE_APPLICATION_CREDENTIALS",
)
AZURE = UriForm(
    r"([a-z0-9$-]{3,63}@)?[A-Za-z0-9.-]+(:[0-9]+)?",  # container@account.dfs.core.windows.net
    "abfss://container@account.dfs.core.windows.net/folder",
    ("blob_storage_authority", "credential_kind", "dfs_storage_authority", "enable_tls"),
    "AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET",
)
HADOOP = UriForm(
    r"([A-Za-z0-9._-]+@)?[A-Za-z0-9._-]*(:[0-9]+)?",
    "hdfs://host:8020/folder",
    ("buffer_size", "default_block_size", "kerb_ticket", "replication", "user"),
    "KRB5CCNAME",
)
STORES: Mapping[str, UriForm] = {
    "s3": S3, "gs": GOOGLE, "gcs": GOOGLE, "abfs": AZURE, "abfss": AZURE, "hdfs": HADOOP, "viewfs": HADOOP
}  # fmt: skip
VALUE = re.compile(r"[A-Za-z0-9 ._:/\[\]-]*")
"""Values of parameters: hosts, numbers, words and paths, without `@`, `=` and separators of parameters."""


def find_uri_mistake(uri: str) -> str | None:
    """Return why the URI of a folder or file in a store is refused; None if it is allowed."""
    scheme, _, rest = uri.partition("://")
    form = STORES.get(scheme)
    if form is None:
        known = ", ".join(f"{name}://" for name in ("file", *STORES))
        return f"no file system is called '{scheme}'. Name a local folder, or one of {known}"
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    allowed = f"Allowed parameters are {', '.join(form.parameters)}"
    if not re.fullmatch(form.authority, authority) or "#" in uri:
        return f"must have the form {form.example}. {_without_credentials(form.credentials)}"
    if not has_only_parameters(uri, form.parameters):
        return f"has an unknown parameter or value. {allowed}. {_without_credentials(form.credentials)}"
    return None


def has_only_parameters(uri: str, allowed: Sequence[str]) -> bool:
    """Return whether a URI has no parameters but the given ones, each with a plain value."""
    query = urlsplit(uri).query
    parameters = parse_qsl(query, keep_blank_values=True)
    return all(name in allowed and VALUE.fullmatch(value) for name, value in parameters)


def mask_credentials(text: str) -> str:
    """Mask user names, passwords and parameters of the URIs in a text, except in URIs of an allowed form."""
    return re.sub(r"[A-Za-z][A-Za-z0-9+.-]*://[^'\",\]}\n]*", _masked, text)


def _masked(found: re.Match[str]) -> str:
    uri = found.group()
    if find_uri_mistake(uri) is None:
        return uri
    scheme, _, rest = uri.partition("://")
    rest, mark, _ = rest.replace("#", "?").partition("?")
    _, at, rest = rest.rpartition("@")
    host, slash, path = rest.partition("/")
    host = host if re.fullmatch(r"[^:]*(:[0-9]+)?", host) else "***"
    return f"{scheme}://{'***@' if at else ''}{host}{slash}{path}{'?***' if mark else ''}"


def _without_credentials(variables: str) -> str:
    return (
        "A URI must not contain credentials, because it is written to config.yaml. Set them in the "
        f"environment, such as {variables}"
    )
