"""The formats that can be imported, by name."""

import shlex
from pathlib import Path

from faceml.config import ConfigError
from faceml.formats.affectnet_csv import AffectNetCsv
from faceml.formats.affectnet_npy import AffectNetNpy
from faceml.formats.data_format import DataFormat
from faceml.formats.fer2013 import Fer2013
from faceml.formats.ferplus import FerPlus
from faceml.formats.insightface_bin import InsightfaceBin
from faceml.formats.mxnet_rec import MxnetRec
from faceml.formats.raf_db import RafDb
from faceml.storage import Places, StorageRoots

FORMATS: dict[str, type[DataFormat]] = {
    # The folder of FER+ has the file of FER2013 too.
    data.name: data
    for data in (AffectNetCsv, AffectNetNpy, RafDb, FerPlus, Fer2013, MxnetRec, InsightfaceBin)
}


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
    return FORMATS[name](source.absolute())


def find_format(source: Path) -> str | None:
    """Return the name of the format that a folder or file is shipped in; None if it looks like none."""
    return next((name for name, data in FORMATS.items() if data.recognises(source.absolute())), None)


def find_import_commands(root: Places) -> dict[str, str]:
    """Return the command that imports each data set in a folder, or in folders by source, by its name.

    Empty if no folder has one in its original layout, or if they are not on this machine.

    Args:
        root: Path or URI of the folder, or of each source.
    """
    folders = StorageRoots(root).folders.values()
    found = {folder.uri: find_format(Path(folder.uri)) for folder in folders if folder.is_local}
    return {
        FORMATS[name].description.partition(":")[0]: f"faceml import {name} {shlex.quote(place)} OUTPUT"
        for place, name in found.items()
        if name is not None
    }
