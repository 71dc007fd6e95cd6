"""Digests of the images of a table, to recognise changed data."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from faceml.tables.label_files import find_label_files
from faceml.tables.landmark_table import read_table

BLOCK_BYTES = 16 * 2**20


def content_digest(table: str | Path) -> str:
    """Return one SHA-256 over the digests of a table's images, independent of their names and order.

    Empty if the table has no digests.
    """
    return _content_digest(read_table(table, ["content_sha256"]))


def table_digests(table: str | Path) -> dict[str, Any]:
    """Return the number of `images` of a table, and SHA-256 digests of their `names` and `contents`."""
    rows, names = read_table(table, ["content_sha256"]), hashlib.sha256()
    for chunk in rows["image_id"].chunks:
        names.update("".join(f"{name}\n" for name in chunk.to_pylist()).encode())
    return {"images": rows.num_rows, "names": names.hexdigest(), "contents": _content_digest(rows)}


def label_digest(place: str) -> dict[str, Any]:
    """Return the number of `files` of a label table, and a SHA-256 digest of their `contents`.

    Raises:
        ConfigError: There is no such label table.
    """
    folder, names = find_label_files(place)
    contents = hashlib.sha256()
    for name in names:
        with folder.filesystem.open_input_stream(f"{folder.path}/{name}") as stream:
            while block := stream.read(BLOCK_BYTES):
                contents.update(block)
    return {"files": len(names), "contents": contents.hexdigest()}


def _content_digest(rows: pa.Table) -> str:
    digests = rows["content_sha256"].drop_null().combine_chunks()
    if not len(digests):
        return ""
    # Sorted in the Arrow buffer: Python objects for millions of rows would take more time and memory.
    held = np.frombuffer(digests.buffers()[1], dtype="S32")[digests.offset :][: len(digests)]
    return hashlib.sha256(np.sort(held).tobytes()).hexdigest()
