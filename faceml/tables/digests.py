"""Digests of the images of a table, to recognise changed data."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs

from faceml.storage import Places, StorageFolder
from faceml.tables.face_rows import face_names, first_rows
from faceml.tables.label_files import find_label_files
from faceml.tables.landmark_table import shard_names
from faceml.tables.selection import TableSelection
from faceml.tables.source_labels import label_tables

BLOCK_BYTES = 16 * 2**20
VERSION_DIGITS = 12
FEW_FILES = 8
"""Number of files from which their folder is listed."""


def table_version(table: StorageFolder) -> str:
    """Return a digest that changes with any shard of a table, from their names, sizes and times of change."""
    return _version_of(table, shard_names(table))


def label_version(places: Places) -> str:
    """Return a digest that changes with any file of a label table, or of those of sources.

    Raises:
        ConfigError: There is no such label table.
    """
    return repr([(place, _version_of(*find_label_files(place))) for place in label_tables(places).values()])


def _version_of(folder: StorageFolder, names: Iterable[str]) -> str:
    """Return a digest of names, sizes and times of change of some or all files in a folder."""
    wanted = set(names)
    # Of many files, a listing takes far fewer requests to a store.
    places = [f"{folder.path}/{name}" for name in wanted]
    found = folder.filesystem.get_file_info(
        places if len(places) < FEW_FILES else pafs.FileSelector(folder.path)
    )
    known = sorted((file.base_name, file.size, file.mtime_ns) for file in found if file.base_name in wanted)
    return hashlib.sha256(repr(known).encode()).hexdigest()[:VERSION_DIGITS]


def content_digest(selection: TableSelection) -> str:
    """Return one SHA-256 over the digests of images of a table, independent of their names and order.

    Empty if the table has no digests.
    """
    return _content_digest(first_rows(selection.read(["content_sha256"]).rows))


def table_digests(selection: TableSelection) -> dict[str, Any]:
    """Return the number of `images` of a table, and SHA-256 digests of their `names` and `contents`.

    The names are those of all faces, see `face_names`.
    """
    rows, names = selection.read(["content_sha256"]).rows, hashlib.sha256()
    for chunk in face_names(rows).chunks:
        names.update("".join(f"{name}\n" for name in chunk.to_pylist()).encode())
    images = first_rows(rows)
    return {"images": images.num_rows, "names": names.hexdigest(), "contents": _content_digest(images)}


def label_digest(places: Places) -> dict[str, Any]:
    """Return the number of `files` of a label table, or those of sources, and a SHA-256 of their `contents`.

    Raises:
        ConfigError: There is no such label table.
    """
    contents, files = hashlib.sha256(), 0
    for source, place in sorted(label_tables(places).items(), key=lambda table: table[0] or ""):
        contents.update((source or "").encode())
        folder, names = find_label_files(place)
        files += len(names)
        for name in names:
            with folder.filesystem.open_input_stream(f"{folder.path}/{name}") as stream:
                while block := stream.read(BLOCK_BYTES):
                    contents.update(block)
    return {"files": files, "contents": contents.hexdigest()}


def _content_digest(rows: pa.Table) -> str:
    digests = rows["content_sha256"].drop_null().combine_chunks()
    if not len(digests):
        return ""
    # Sorted in the Arrow buffer: Python objects for millions of rows would take more time and memory.
    held = np.frombuffer(digests.buffers()[1], dtype="S32")[digests.offset :][: len(digests)]
    return hashlib.sha256(np.sort(held).tobytes()).hexdigest()
