"""By which one knows whether images are the same: a hash over their contents."""

import hashlib
from collections.abc import Mapping

import numpy as np

from faceml.config import DataConfig, RecognitionDataConfig
from faceml.tables import read_table


def content_digest(table: str) -> str:
    """Return a SHA-256 over those of a table's images, whatever their names and order; empty if unknown."""
    digests = read_table(table, ["content_sha256"])["content_sha256"].drop_null().combine_chunks()
    if not len(digests):
        return ""
    # Sorted where they are: a Python object for each of millions of rows would take longer and more memory.
    held = np.frombuffer(digests.buffers()[1], dtype="S32")[digests.offset :][: len(digests)]
    return hashlib.sha256(np.sort(held).tobytes()).hexdigest()


def tables_of(data: DataConfig | RecognitionDataConfig) -> dict[str, str]:
    """Return the tables of a training, by what their images are for."""
    return {"trained on": data.train.table, "validated on": data.val.table}


def data_facts(title: str, tables: Mapping[str, str]) -> list[tuple[str, str]]:
    """Say which images something was made from, for a report.

    Args:
        title: Of the chapter.
        tables: What the images are for, and the place of their table.
    """
    return [
        (
            f"{title}: {name}",
            f"{table}; SHA-256 of its images when this was written: {content_digest(table) or 'not known'}",
        )
        for name, table in tables.items()
    ]
