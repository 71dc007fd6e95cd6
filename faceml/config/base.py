"""What every configuration shares: strict, frozen models and the types of their fields."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Config(BaseModel):
    """Base of all configuration: unknown keys are refused, values never change once validated."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


@dataclass(frozen=True)
class MustExist:
    """Mark a path as input: it has to be there before the job starts."""

    what: Literal["folder", "file", "file or folder"]
    or_else: str = ""
    """What may stand in its place, for the error."""


@dataclass(frozen=True)
class OnEveryNode:
    """Mark a path that workers read or write, whichever node of a cluster they are on."""


def _absolute(path: Path) -> Path:
    """Return `path` with `~` expanded and made absolute, so that workers elsewhere mean the same place."""
    with suppress(RuntimeError):  # `~name` of a user whom nobody knows; it will be missed as a path
        path = path.expanduser()
    return path.absolute()


def _local(place: Any) -> Any:
    """Return what is to be a path on this machine, a `file://` URI as the path that it names.

    Raises:
        ValueError: It is another URI.
    """
    scheme, separator, rest = str(place).partition("://")
    if separator and scheme != "file":
        raise ValueError("must be a path that this machine sees: this setting takes no URI of a store")
    return unquote(rest) if separator else place


def _storage_uri(place: Any) -> str:
    """Return a URI as it is and a local path made absolute.

    Raises:
        ValueError: It is neither, or the URI carries a user name or a key.
    """
    if not isinstance(place, str | Path):
        raise ValueError("must be a path or URI")
    uri = str(place)
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return str(_absolute(Path(uri)))
    if scheme == "file":
        return str(_absolute(Path(unquote(rest))))
    if "@" in rest.partition("/")[0]:
        raise ValueError(
            "keys do not belong into a URI, which is written to config.yaml. Set them in the environment, "
            "such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return uri


AbsolutePath = Annotated[Path, BeforeValidator(_local), AfterValidator(_absolute)]
InputFile = Annotated[AbsolutePath, MustExist("file"), OnEveryNode()]
OutputFolder = Annotated[AbsolutePath, OnEveryNode()]
OutputFile = Annotated[AbsolutePath, OnEveryNode()]
DriverPlace = Annotated[str, BeforeValidator(_storage_uri)]
"""As `StorageUri`, but of no concern to workers."""
StorageUri = Annotated[DriverPlace, OnEveryNode()]
"""A folder or file on any file system that pyarrow reaches: a local path, or a URI such as
`s3://bucket/faces`."""
InputStorage = Annotated[StorageUri, MustExist("folder")]
InputStorageFile = Annotated[StorageUri, MustExist("file")]
RunOrModel = Annotated[StorageUri, MustExist("file or folder")]
"""A run folder, or the model in it."""

Count = Annotated[int, Field(strict=True, ge=1)]
CountOrZero = Annotated[int, Field(strict=True, ge=0)]
Seed = Annotated[int, Field(strict=True, ge=0)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
