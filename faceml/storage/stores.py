"""Object stores opened from URIs, with retries for S3, and the distinction of refusals from outages."""

import errno
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from faceml.config import ConfigError, find_uri_mistake, mask_credentials
from faceml.errors import flatten_message, translate_errors
from faceml.storage.concurrency import STORE_THREADS

# Between attempts the AWS SDK waits up to 1, 2, 4, 8, 16, 20 and 20 s, half of it on average. S3 answers
# "503 Slow Down" for about as long until it has scaled, and a store needs as long to restart.
S3_MAX_ATTEMPTS = 8
S3_CONNECT_TIMEOUT_S = 5.0
# Longest time without a byte from the store. The SDK's 3 s are too few for the upload of a large shard.
S3_REQUEST_TIMEOUT_S = 20.0

# Messages of errors that a retry does not solve. pyarrow marks them by nothing but the message.
REFUSALS = (
    "Error ACCESS_DENIED",
    "Error INVALID_ACCESS_KEY_ID",
    "Error NO_SUCH_BUCKET",
    "Error SIGNATURE_DOES_NOT_MATCH",
    "PERMISSION_DENIED",  # Google Cloud Storage
)

# Errors of the machine or of a file server that does not answer, for which the file is not to blame.
OUTAGES = (
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    *(errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH),
)

INHERITED: list[pafs.FileSystem] = []
"""Connections of the parent, kept in a forked process: their destructor may wait for the parent's threads."""


def check_uri(uri: str) -> None:
    """Check the scheme, the parameters and the form of a URI.

    Raises:
        ConfigError: An unknown scheme or parameter, no bucket, or keys in the URI; names what is allowed.
    """
    mistake = find_uri_mistake(uri)
    if mistake is not None:
        raise ConfigError(f"{mask_credentials(uri)}: {mistake}.")


def open_store(uri: str) -> tuple[pafs.FileSystem, str]:
    """Return the file system of a URI that passed `check_uri`, and the folder's path inside it.

    Raises:
        ConfigError: pyarrow does not understand the URI.
        OSError: The region of a bucket cannot be determined.
    """
    if uri.startswith("s3://"):
        return _open_s3(uri)
    with translate_errors(
        pa.ArrowInvalid, lambda error: ConfigError(f"{uri}: is not understood ({flatten_message(error)}).")
    ):
        filesystem, path = pafs.FileSystem.from_uri(uri)
    return filesystem, path.rstrip("/")


def is_refusal(error: BaseException) -> bool:
    """Return whether an error is a refusal, which a retry does not change, and not an outage."""
    return isinstance(error, FileNotFoundError | PermissionError) or any(
        refusal in str(error) for refusal in REFUSALS
    )


def translate_refusal(message: str, *, any_error: bool = False) -> translate_errors[OSError]:
    """Raise `ConfigError` in place of a refusal; an outage passes.

    Args:
        message: The failed operation and the remedy, without a full stop.
        any_error: Translate every `OSError`, not only a refusal.
    """

    def translate(error: OSError) -> ConfigError | None:
        applies = any_error or is_refusal(error)
        return ConfigError(f"{message} ({flatten_message(error)}).") if applies else None

    return translate_errors(OSError, translate)


def _open_s3(uri: str) -> tuple[pafs.FileSystem, str]:
    parts = urlsplit(uri)
    parameters = dict(parse_qsl(parts.query))
    if not {"region", "endpoint_override"} & parameters.keys():
        parameters["region"] = pafs.resolve_s3_region(parts.netloc)
    # pyarrow opens as many connections as it has threads for reading when it opens the store.
    pa.set_io_thread_count(max(pa.io_thread_count(), STORE_THREADS))
    filesystem = pafs.S3FileSystem(
        **parameters,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=S3_MAX_ATTEMPTS),
        connect_timeout=S3_CONNECT_TIMEOUT_S,
        request_timeout=S3_REQUEST_TIMEOUT_S,
        allow_delayed_open=True,  # a small file is one request, not the three of an upload in parts
    )
    return filesystem, (parts.netloc + unquote(parts.path)).rstrip("/")
