"""What every configuration shares: strict, frozen models and the types of their fields."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class ConfigError(ValueError):
    """A user's mistake in a configuration, told in one line that names the setting and the remedy."""


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

    what: Literal["folder", "file"]
    or_else: str = ""
    """What may stand in its place, for the error."""


def _absolute(path: Path) -> Path:
    """Return `path` with `~` expanded and made absolute, so that workers elsewhere mean the same place."""
    with suppress(RuntimeError):  # `~name` of a user whom nobody knows; it will be missed as a path
        path = path.expanduser()
    return path.absolute()


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
InputFolder = Annotated[AbsolutePath, MustExist("folder")]
InputFile = Annotated[AbsolutePath, MustExist("file")]
OutputFolder = AbsolutePath

Count = Annotated[int, Field(strict=True, ge=1)]
CountOrZero = Annotated[int, Field(strict=True, ge=0)]
Seed = Annotated[int, Field(strict=True, ge=0)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
