"""Rows of data sets, opened once on each machine and mapped into memory by all processes that need them.

The rows of a small table are read by each process. Those of a large one are written to the cache of the
machine by the first process that needs them, while others wait, and in a child process: to sort and to select
rows takes several times their memory.
"""

import hashlib
import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from faceml import __version__
from faceml.errors import StoppedError
from faceml.storage import (
    PARTIAL_SUFFIX,
    MappedRows,
    RowsToMap,
    StorageFolder,
    atomic_file,
    hold_lock,
    private_file,
)
from faceml.tables import cached_file, remove_earlier_versions, shard_names

LARGE_TABLE_ROWS = 200_000
"""Rows of a table from which its rows are written to the cache."""
KEPT_UNUSED_S = 30 * 24 * 3600
"""Seconds after which a file that no process has opened is removed."""
FORMAT = 1
"""Version of the columns and facts that requests write."""


class RowsRequest(Protocol):
    """Rows of a table that a data set consists of. It can be pickled."""

    @property
    def table(self) -> str:
        """Path or URI of the table."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Return plain values that differ between requests for different rows of the same table."""
        ...

    def read(self) -> RowsToMap:
        """Read the rows."""
        ...


def open_rows(request: RowsRequest, cache: Path | None = None) -> MappedRows:
    """Return the rows of a request.

    Args:
        request: The request.
        cache: Cache of this machine for the rows of large tables; the user's by default.

    Raises:
        ConfigError: The rows cannot be used.
        StoppedError: There is not enough memory or disk space to open them.
    """
    table = StorageFolder(request.table)
    if _estimate_rows(table) < LARGE_TABLE_ROWS:
        return request.read().mapped()
    made_by = {"format": FORMAT, "faceml": __version__, **request.fingerprint()}
    digest = hashlib.sha256(json.dumps(made_by, sort_keys=True, default=str).encode()).hexdigest()[:12]
    file = cached_file(table, "rows", cache, f"-{digest}.arrow")
    if not file.is_file():
        with hold_lock(file.with_suffix(".lock")):
            if not file.is_file():  # another process may have written it meanwhile
                for partial in file.parent.glob(f".{file.stem}.*{PARTIAL_SUFFIX}"):
                    partial.unlink()  # left by a process that was killed; this one holds the lock
                _write_in_child(request, file)
                _remove_unused(file, table)
    os.utime(file)
    return MappedRows(file)


def write_rows(request: RowsRequest, file: Path) -> None:
    """Write the rows of a request, atomically, for this user only."""
    rows = request.read()
    with atomic_file(file) as partial:
        rows.write(private_file(partial))


def _estimate_rows(table: StorageFolder) -> int:
    """Return the number of rows of a table, estimated by its first shard; 0 without one."""
    names = shard_names(table)
    if not names:
        return 0
    first: int = pq.read_metadata(f"{table.path}/{names[0]}", filesystem=table.filesystem).num_rows
    return first * len(names)


def _write_in_child(request: RowsRequest, file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "faceml.datasets.row_process", str(file)],
        input=pickle.dumps(request),
        stdout=subprocess.PIPE,
        # Ray changes sys.path in a submitted job's workers; a child process does not inherit it.
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    if done.stdout:
        raise pickle.loads(done.stdout)
    if done.returncode:
        raise StoppedError(
            f"{request.table}: the process that reads the table ended with status {done.returncode}. If it "
            "was killed, the machine ran out of memory: free some, or use a machine with more."
        )


def _remove_unused(file: Path, table: StorageFolder) -> None:
    """Remove files of earlier versions of the table, and those of other tables that nobody opens any more."""
    remove_earlier_versions(file, table)
    for other in file.parent.glob("*.arrow"):
        if time.time() - other.stat().st_mtime > KEPT_UNUSED_S:
            other.unlink(missing_ok=True)
