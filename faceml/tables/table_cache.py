"""Files made of a table that a machine keeps in a cache: copies of its images, and rows of data sets."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from faceml.storage import StorageFolder, user_cache
from faceml.tables.digests import VERSION_DIGITS, table_version

Kind = Literal["copies", "rows"]
KINDS: tuple[Kind, ...] = ("copies", "rows")
"""Folders of the cache."""


def cached_file(table: StorageFolder, kind: Kind, cache: Path | None, name: str) -> Path:
    """Return the path of a file made of the present version of a table.

    Args:
        table: The table.
        kind: Folder of the cache.
        cache: The cache; the user's by default.
        name: End of the file's name.
    """
    return _folder(kind, cache) / f"{_prefix(table)}{table_version(table)}{name}"


def remove_earlier_versions(file: Path, table: StorageFolder) -> None:
    """Remove files that were made of earlier versions of a table.

    Args:
        file: File of the present version.
        table: The table.
    """
    prefix = _prefix(table)
    version = file.name.removeprefix(prefix)[:VERSION_DIGITS]
    for other in file.parent.glob(f"{prefix}*"):
        if not other.name.startswith(prefix + version):
            other.unlink(missing_ok=True)


def remove_cached_files(
    spellings: Sequence[str], caches: Sequence[Path | None], *, dry_run: bool = False
) -> list[Path]:
    """Remove the files on this machine that were made of a table, and return their paths.

    Args:
        spellings: Paths and URIs by which the table was opened.
        caches: The caches; None is the user's cache.
        dry_run: Only return the paths.
    """
    prefixes = [_prefix(StorageFolder(spelling)) for spelling in spellings]
    folders = [_folder(kind, cache) for kind in KINDS for cache in caches]
    found = {file for folder in folders for prefix in prefixes for file in folder.glob(f"{prefix}*")}
    for file in () if dry_run else found:
        file.unlink(missing_ok=True)
    return sorted(found)


def _folder(kind: Kind, cache: Path | None) -> Path:
    return (cache or user_cache()) / kind


def _prefix(table: StorageFolder) -> str:
    """Return the prefix of the names of a table's files."""
    return hashlib.sha256(table.uri.encode()).hexdigest()[:12] + "-"
