"""Opening the stores that URIs name, S3 with patience, and telling a refusal from an outage."""

from collections.abc import Callable
from types import TracebackType
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from faceml.config import ConfigError

SCHEMES = ("file", "s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
S3_PARAMETERS = ("endpoint_override", "region", "scheme")

# Between attempts the AWS SDK waits up to 1, 2, 4, 8, 16, 20 and 20 s, half of it on average: S3 answers
# "503 Slow Down" until it has scaled, and a restart of a store takes as long.
S3_MAX_ATTEMPTS = 8
S3_CONNECT_TIMEOUT_S = 5.0
# Without a byte from the store. The SDK's 3 s are too few to take in a large shard.
S3_REQUEST_TIMEOUT_S = 20.0

# What stores answer when asking again would not help. pyarrow has no other mark of them than the message.
REFUSALS = (
    "Error ACCESS_DENIED",
    "Error INVALID_ACCESS_KEY_ID",
    "Error NO_SUCH_BUCKET",
    "Error SIGNATURE_DOES_NOT_MATCH",
    "PERMISSION_DENIED",  # Google Cloud Storage
)


def check_uri(uri: str) -> None:
    """Refuse a URI that nothing can open.

    Raises:
        ConfigError: An unknown scheme or parameter, no bucket, or keys in it; says what is allowed.
    """
    scheme = uri.partition("://")[0]
    if scheme not in SCHEMES:
        raise ConfigError(
            f"{uri}: no file system is called '{scheme}'. Name a local folder, or one of "
            + ", ".join(f"{known}://" for known in SCHEMES)
            + "."
        )
    if scheme == "s3":
        parts = urlsplit(uri)
        unknown = [name for name, _ in parse_qsl(parts.query) if name not in S3_PARAMETERS]
        if unknown:
            raise ConfigError(
                f"{uri}: unknown parameter '{unknown[0]}'. Allowed are {', '.join(S3_PARAMETERS)}."
            )
        if not parts.netloc or "@" in parts.netloc:
            raise ConfigError(
                f"{uri}: must have the form s3://bucket/folder. Keys are taken from the environment, such as "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            )


def open_store(uri: str) -> tuple[pafs.FileSystem, str]:
    """Return the file system of a URI that `check_uri` let pass, and the folder's path inside it.

    Raises:
        ConfigError: pyarrow does not understand the URI.
        OSError: The region of a bucket cannot be asked for.
    """
    if uri.startswith("s3://"):
        return _open_s3(uri)
    with RefusalAsConfigError(f"{uri}: is not understood", lambda error: isinstance(error, pa.ArrowInvalid)):
        filesystem, path = pafs.FileSystem.from_uri(uri)
    return filesystem, path.rstrip("/")


def is_refusal(error: BaseException) -> bool:
    """Say whether an error means "no", to which asking again changes nothing, and not an outage."""
    return isinstance(error, FileNotFoundError | PermissionError) or any(
        refusal in str(error) for refusal in REFUSALS
    )


class RefusalAsConfigError:
    """Turn a refusal inside the block into a `ConfigError`; an outage is let through.

    Args:
        message: What failed and what to do about it, without a full stop.
        applies: Which errors are meant.
    """

    def __init__(self, message: str, applies: Callable[[BaseException], bool] = is_refusal) -> None:
        self._message = message
        self._applies = applies

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._applies(error):
            raise ConfigError(f"{self._message} ({' '.join(str(error).split())}).") from error


def _open_s3(uri: str) -> tuple[pafs.FileSystem, str]:
    parts = urlsplit(uri)
    parameters = dict(parse_qsl(parts.query))
    if not {"region", "endpoint_override"} & parameters.keys():
        parameters["region"] = pafs.resolve_s3_region(parts.netloc)
    filesystem = pafs.S3FileSystem(
        **parameters,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=S3_MAX_ATTEMPTS),
        connect_timeout=S3_CONNECT_TIMEOUT_S,
        request_timeout=S3_REQUEST_TIMEOUT_S,
        allow_delayed_open=True,  # a small file is one request, not the three of an upload in parts
    )
    return filesystem, (parts.netloc + unquote(parts.path)).rstrip("/")
