"""Files that a data set is shipped as."""

import os
from collections.abc import Sequence
from pathlib import Path

from faceml.config import ConfigError
from faceml.storage import leads_below


def find_file(source: Path, names: Sequence[str], data_set: str) -> Path:
    """Return a file of a data set: the source itself, or the first of these names in it or in its folders.

    Args:
        source: The folder or file that was downloaded.
        names: Names of the file, the usual one first.
        data_set: Name of the data set, for errors.

    Raises:
        ConfigError: There is no such file, or the source is one of another name.
    """
    if source.is_file() and source.name in names:
        return source
    found = [file for name in names for file in (source / name, *sorted(source.glob(f"*/{name}")))]
    for file in found:
        if file.is_file():
            return file
    raise ConfigError(f"{source}: has no {' or '.join(names)}, the file of {data_set}. Name its folder.")


def find_image(folder: Path, name: str) -> str | None:
    r"""Return the path of an image below a folder, spelled as its file is; None if there is no such file.

    Args:
        folder: Folder of the images.
        name: Path below the folder as the data set has it: folders may be separated by `\`, and the extension
            may be in the other case.
    """
    path = name.replace("\\", "/")
    stem, dot, extension = path.rpartition(".")
    spellings = (path, f"{stem}{dot}{extension.lower()}", f"{stem}{dot}{extension.upper()}")
    # Unlike `Path.is_file`, this is also false for names that no file can have.
    found = (spelling for spelling in spellings if os.path.isfile(folder / spelling))  # noqa: PTH113
    return next(found, None) if leads_below(path) else None
