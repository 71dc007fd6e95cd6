"""Folders within a folder, wherever that is: their names, and removing one with all that is in it."""

import shutil

import pyarrow.fs as pafs

from faceml.storage.folder import StorageFolder
from faceml.storage.stores import RefusalAsConfigError


def folder_names(folder: StorageFolder) -> list[str]:
    """List the folders directly in a folder, sorted, without hidden ones; one that is not there has none.

    Raises:
        ConfigError: It cannot be listed; says why.
        OSError: The store cannot be reached, after all attempts.
    """
    with RefusalAsConfigError(f"{folder.uri}: cannot be listed. Check that you may read it"):
        found = folder.filesystem.get_file_info(pafs.FileSelector(folder.path, allow_not_found=True))
    names = [entry.base_name for entry in found if entry.type is pafs.FileType.Directory]
    return sorted(name for name in names if not name.startswith("."))


def remove_folder(folder: StorageFolder) -> None:
    """Remove a folder and all that is in it; one that is not there is fine.

    Raises:
        ConfigError: The store refuses; says why.
        OSError: It cannot be reached, after all attempts.
    """
    if folder.is_local:
        shutil.rmtree(folder.uri, ignore_errors=True)
    elif folder.exists():
        with RefusalAsConfigError(f"{folder.uri}: cannot be removed. Check that you may"):
            folder.filesystem.delete_dir(folder.path)
