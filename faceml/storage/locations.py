"""Places of files and folders, which are local paths or URIs, as text.

A URI may end in parameters, `s3://bucket/runs?region=eu-west-1`, that belong to the whole store.
"""

from pathlib import Path
from urllib.parse import quote, unquote


def is_uri(place: str | Path) -> bool:
    """Say whether a place is a URI, not a local path."""
    return "://" in str(place)


def place_below(folder: str | Path, *names: str) -> str:
    """Return the place of what is below a folder under these names; parameters stay at the end."""
    path, parameters = _parts(folder)
    return "/".join([path, *(map(quote, names) if is_uri(folder) else names)]) + parameters


def split_place(place: str | Path) -> tuple[str, str]:
    """Return the parent folder of a place, absolute if it is local, and the name in it."""
    path, parameters = _parts(place if is_uri(place) else Path(place).absolute())
    folder, _, name = path.rpartition("/")
    return (folder + parameters, unquote(name)) if is_uri(place) else (folder or "/", name)


def _parts(place: str | Path) -> tuple[str, str]:
    """Return a place without a slash at its end, and the parameters of a URI with their question mark."""
    path, mark, parameters = str(place).partition("?") if is_uri(place) else (str(place), "", "")
    return path.rstrip("/"), mark + parameters
