"""Tables of Arrow in temporary files that are mapped into memory, for rows that may be larger than memory."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from tempfile import mkstemp

import pyarrow as pa

from faceml.errors import StoppedError, translate_errors

MOST_IN_MEMORY = 1 << 26
"""Size of the batches up to which a table stays in memory, bytes."""


def collect_batches(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], folder: Path | None = None
) -> pa.Table:
    """Return the rows of all batches: a small table in memory, a larger one in a file that is mapped.

    The file has no name any more when this function returns. Its space is free again when the table and all
    that shares its memory are gone.

    Args:
        schema: Schema of the batches.
        batches: The batches, of which only those of a small table are in memory at the same time.
        folder: Folder of the file; None is the one of the operating system for temporary files.

    Raises:
        StoppedError: The folder has no space left.
    """
    first, size, rest = list[pa.RecordBatch](), 0, iter(batches)
    for batch in rest:
        first.append(batch)
        size += batch.nbytes
        if size > MOST_IN_MEMORY:
            return _map_file(schema, chain(_released(first), rest), folder)
    return pa.Table.from_batches(first, schema)


def filter_rows(rows: pa.Table, mask: pa.ChunkedArray | pa.Array) -> pa.Table:
    """Return the rows for which a mask of booleans is true, as `collect_batches` does."""
    masked = rows.append_column("", mask)
    kept = (batch.filter(batch.column("")).select(rows.column_names) for batch in masked.to_batches())
    return collect_batches(rows.schema, kept)


def _released(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield batches and keep none of them."""
    batches.reverse()
    while batches:
        yield batches.pop()


def _map_file(schema: pa.Schema, batches: Iterable[pa.RecordBatch], folder: Path | None) -> pa.Table:
    descriptor, name = mkstemp(prefix="faceml-", suffix=".arrow", dir=folder)
    os.close(descriptor)
    with ExitStack() as stack:
        stack.callback(Path(name).unlink)
        stack.enter_context(translate_errors(OSError, lambda error: _full_disk(error, Path(name).parent)))
        with pa.OSFile(name, "w") as sink, pa.ipc.new_file(sink, schema) as file:
            for batch in batches:
                file.write_batch(batch)
        return pa.ipc.open_file(pa.memory_map(name)).read_all()


def _full_disk(error: OSError, folder: Path) -> StoppedError | None:
    if error.errno != errno.ENOSPC:
        return None
    return StoppedError(
        f"{folder}: no space left for temporary files of a large table. Set TMPDIR to a folder with more "
        "space."
    )
