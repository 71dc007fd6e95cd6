"""Making a shard equal to what a plan says of it: what is right in it stays, the rest is extracted."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from faceml.storage import StorageFolder, StoredFile
from faceml.tables.landmark_table import put_shard

Row = dict[str, Any]
MakeRows = Callable[[Sequence[StoredFile]], Iterable[Row]]


@dataclass
class ShardChanges:
    """What became of a shard's images.

    Attributes:
        made: Rows made anew, by status.
        changed: Images whose content is no longer that of their row; at most `MOST_NAMED` are named.
        num_changed: How many those are in all.
        write_s: Seconds that writing the shard took.
    """

    made: Counter[str] = field(default_factory=Counter)
    changed: list[str] = field(default_factory=list)
    num_changed: int = 0
    write_s: float = 0.0


MOST_NAMED = 20


class ShardMaker:
    """Bring shards of a table up to date.

    Args:
        root: Folder of the images.
        table: The table's folder.
        schema: Of the table.
        follow_changes: Extract changed images again and drop the rows of vanished ones; otherwise both rows
            stay as they are.
    """

    def __init__(
        self, root: StorageFolder, table: StorageFolder, schema: pa.Schema, *, follow_changes: bool
    ) -> None:
        self._root = root
        self._table = table
        self._schema = schema
        self._follow_changes = follow_changes

    def make(self, name: str, files: Sequence[StoredFile], make_rows: MakeRows) -> ShardChanges:
        """Make a shard, or what of it is not there or out of date, and write it whole.

        Args:
            name: Of the shard.
            files: That it shall have, as they are listed now.
            make_rows: Makes rows of images.
        """
        changes = ShardChanges()
        old = self._old_rows(name)
        rows = {image_id: row for image_id, row in old.items() if not self._follow_changes}
        missing = []
        for file in files:
            row = old.get(file.path)
            if row is not None and self._is_unchanged(row, file):
                rows[file.path] = row | {"file_bytes": file.num_bytes, "modified_ns": file.modified_ns}
            else:
                if row is not None:
                    changes.num_changed += 1
                    changes.changed = [*changes.changed, file.path][:MOST_NAMED]
                if row is None or self._follow_changes:
                    missing.append(file)
        for row in make_rows(missing):
            rows[row["image_id"]] = row
            changes.made[row["status"]] += 1
        started_s = time.perf_counter()
        if missing or rows != old:
            put_shard([rows[image_id] for image_id in sorted(rows)], self._schema, self._table, name)
        changes.write_s = time.perf_counter() - started_s
        return changes

    def _old_rows(self, name: str) -> dict[str, Row]:
        if not self._table.has(name):
            return {}
        rows = pq.ParquetFile(f"{self._table.path}/{name}", filesystem=self._table.filesystem).read()
        return {row["image_id"]: row for row in rows.to_pylist()}

    def _is_unchanged(self, row: Row, file: StoredFile) -> bool:
        """Say whether a file is what its row was made of; its bytes decide if its size or time is another."""
        if (row["file_bytes"], row["modified_ns"]) == (file.num_bytes, file.modified_ns):
            return True
        if row["content_sha256"] is None:
            return False
        data = self._root.read(file.path)
        return isinstance(data, bytes) and hashlib.sha256(data).digest() == row["content_sha256"]
