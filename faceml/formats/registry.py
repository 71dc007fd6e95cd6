"""The formats that can be imported, by name."""

from pathlib import Path

from faceml.config import ConfigError
from faceml.formats.data_format import DataFormat
from faceml.formats.fer2013 import Fer2013
from faceml.formats.ferplus import FerPlus

FORMATS: dict[str, type[DataFormat]] = {data.name: data for data in (Fer2013, FerPlus)}


def open_format(name: str, source: Path) -> DataFormat:
    """Open a data set.

    Args:
        name: Name of its format.
        source: The folder or file that was downloaded.

    Raises:
        ConfigError: There is no such format, or the source does not have it.
    """
    if name not in FORMATS:
        raise ConfigError(f"faceml import {name}: no such format. There are {', '.join(FORMATS)}.")
    if not source.exists():
        raise ConfigError(f"{source}: no such file or folder. Name the data set that was downloaded.")
    return FORMATS[name](source)


def find_format(source: Path) -> str | None:
    """Return the name of the format that a folder or file is shipped in; None if it looks like none."""
    return next((name for name, data in FORMATS.items() if data.recognises(source)), None)
