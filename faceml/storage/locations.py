"""Locations of files and folders: local paths, URIs, and the user's cache.

A URI may end in parameters, `s3://bucket/runs?region=eu-west-1`, that belong to the whole store.
"""

import os
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote

SAME_STORES = {"gcs": "gs", "abfss": "abfs", "viewfs": "hdfs"}
"""Schemes that name the same stores as another one."""


def user_cache() -> Path:
    """Return the folder for downloads and copies: `$FACEML_CACHE`, or `faceml` in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("FACEML_CACHE") or Path(base) / "faceml")


def is_uri(place: str | Path) -> bool:
    """Return whether a location is a URI, not a local path."""
    return "://" in str(place)


def place_below(folder: str | Path, *names: str) -> str:
    """Return the location of a file or folder below another folder; parameters of a URI stay at the end."""
    path, parameters = _split_parameters(folder)
    return "/".join([path, *(map(quote, names) if is_uri(folder) else names)]) + parameters


def split_place(place: str | Path) -> tuple[str, str]:
    """Return the parent folder of a place, absolute if it is local, and the name in it."""
    path, parameters = _split_parameters(place if is_uri(place) else Path(place).absolute())
    folder, _, name = path.rpartition("/")
    return (folder + parameters, unquote(name)) if is_uri(place) else (folder or "/", name)


def short_names(places: Sequence[str]) -> list[str]:
    """Return the names of places, with the folders above them that it takes to tell all apart.

    These are `evaluation` and `other`, or `a/evaluation` and `b/evaluation`.
    """
    names = list[str]()
    paths = [_split_parameters(place if is_uri(place) else Path(place).absolute())[0] for place in places]
    parts = [unquote(path).strip("/").split("/") for path in paths]
    for length in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(set(paths)):
            break
    return names


def canonical_place(place: str | Path) -> str:
    """Return one form of all spellings of a place, to compare places.

    Links of local paths are resolved; URIs lose parameters, escapes, slashes at the end, user names, and the
    address of the account or cluster. Places in two stores may thus have the same form.
    """
    scheme, separator, rest = str(place).partition("://")
    if not separator or scheme == "file":
        return os.path.realpath(unquote(rest) if separator else place)
    store = SAME_STORES.get(scheme, scheme)
    authority, _, path = unquote(re.split(r"[?#]", rest, maxsplit=1)[0]).partition("/")
    user, _, host = authority.rpartition("@")
    if store == "hdfs" or (store == "abfs" and re.search(r"[.:]", host) and ".dfs." not in host):
        inside = path
    else:
        inside = f"{user if store == 'abfs' and user else host}/{path}"
    return f"{store}:/" + posixpath.normpath(f"/{inside}")


def is_below(place: str, folder: str) -> bool:
    """Return whether a canonical place is another one or below it."""
    return place == folder or place.startswith(folder.rstrip("/") + "/")


def leads_below(path: str) -> bool:
    """Return whether a POSIX path below a folder can be that of a file in it, and leads nowhere else."""
    return "\0" not in path and {"", ".", ".."}.isdisjoint(path.split("/"))


def _split_parameters(place: str | Path) -> tuple[str, str]:
    """Return a location without a trailing slash, and the parameters of a URI with their question mark."""
    path, mark, parameters = str(place).partition("?") if is_uri(place) else (str(place), "", "")
    return path.rstrip("/"), mark + parameters
