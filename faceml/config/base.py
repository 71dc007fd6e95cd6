"""Base model of all configurations, and the types of their fields."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from faceml.config.uris import find_uri_mistake


class FrozenDict(dict[Any, Any]):
    """Dictionary that is not changed, and so can be hashed, as the configuration that contains it."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self))  # of the keys: values may be configurations with lists


class Config(BaseModel):
    """Base of all configurations: unknown keys are refused, and validated values are immutable."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


@dataclass(frozen=True)
class MustExist:
    """Mark a path as an input, which must exist before the job starts."""

    what: Literal["folder", "file", "file or folder"]
    or_else: str = ""
    """Alternative values, named in the error message."""


@dataclass(frozen=True)
class OnEveryNode:
    """Mark a path that workers on any node of a cluster read or write."""


def _absolute(path: Path) -> Path:
    """Return `path` with `~` expanded and made absolute, so that it is valid in every worker."""
    with suppress(RuntimeError):  # unknown user in `~name`; reported later as a missing path
        path = path.expanduser()
    return path.absolute()


def _local(place: Any) -> Any:
    """Return a local path as it is, and a `file://` URI as the path that it names.

    Raises:
        ValueError: The URI has another scheme.
    """
    scheme, separator, rest = str(place).partition("://")
    if separator and scheme != "file":
        raise ValueError("must be a local path: this setting does not accept the URI of an object store")
    return unquote(rest) if separator else place


def _storage_uri(place: Any) -> str:
    """Return a URI as it is and a local path made absolute.

    Raises:
        ValueError: It is neither, or the URI has another form than `faceml.config.uris` allows.
    """
    if not isinstance(place, str | Path):
        raise ValueError("must be a path or URI")
    uri = str(place)
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return str(_absolute(Path(uri)))
    if scheme == "file":
        return str(_absolute(Path(unquote(rest))))
    mistake = find_uri_mistake(uri)
    if mistake is not None:
        raise ValueError(mistake)
    return uri


AbsolutePath = Annotated[Path, BeforeValidator(_local), AfterValidator(_absolute)]
InputFile = Annotated[AbsolutePath, MustExist("file"), OnEveryNode()]
OutputFolder = Annotated[AbsolutePath, OnEveryNode()]
OutputFile = Annotated[AbsolutePath, OnEveryNode()]
DriverPlace = Annotated[str, BeforeValidator(_storage_uri)]
"""Like `StorageUri`, but not used by workers."""
StorageUri = Annotated[DriverPlace, OnEveryNode()]
"""Folder or file on any file system that pyarrow supports: a local path, or a URI such as
`s3://bucket/faces`."""
InputStorage = Annotated[StorageUri, MustExist("folder")]
InputStorageFile = Annotated[StorageUri, MustExist("file")]
InputPlace = Annotated[StorageUri, MustExist("file or folder")]

SourceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
PLACE_TAG, SOURCES_TAG = "(place)", "(sources)"
"""Tags of a place, and of places by the names of their sources; no keys of a configuration."""
_Kind = Discriminator(lambda places: SOURCES_TAG if isinstance(places, Mapping) else PLACE_TAG)
_FewestSources, _Frozen = Field(min_length=1), AfterValidator(FrozenDict)
InputPlaces = Annotated[
    Annotated[InputStorage, Tag(PLACE_TAG)]
    | Annotated[dict[SourceName, InputStorage], _FewestSources, _Frozen, Tag(SOURCES_TAG)],
    _Kind,
]
"""A folder, or folders by the names of their sources."""
LabelPlaces = Annotated[
    Annotated[InputPlace, Tag(PLACE_TAG)]
    | Annotated[dict[SourceName, InputPlace], _FewestSources, _Frozen, Tag(SOURCES_TAG)],
    _Kind,
]
"""A label table, or the label tables by the names of the sources whose images they label."""
RunOrModel = InputPlace
"""Run folder, or the model file in it."""

Count = Annotated[int, Field(strict=True, ge=1)]
CountOrZero = Annotated[int, Field(strict=True, ge=0)]
Seed = Annotated[int, Field(strict=True, ge=0)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
