"""Update of a shard to its plan: current rows are kept, missing and outdated ones are extracted."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from faceml.extraction.row_extractor import Row
from faceml.storage import StorageFolder, StorageRoots, StoredFile
from faceml.tables import put_shard

ExtractRows = Callable[[Sequence[StoredFile]], Iterable[list[Row]]]
"""Extracts the rows of each file."""


MAX_NAMES = 20


@dataclass
class ShardChanges:
    """Result of the update of a shard.

    Attributes:
        extracted: Number of extracted images by status.
        changed: Images whose content differs from that of their row, at most `MAX_NAMES`.
        num_changed: Number of all those images.
        write_s: Seconds spent on writing the shard.
    """

    extracted: Counter[str] = field(default_factory=Counter)
    changed: list[str] = field(default_factory=list)
    num_changed: int = 0
    write_s: float = 0.0


class ShardWriter:
    """Update shards of a table.

    Args:
        roots: Folders of the images.
        table: Folder of the table.
        schema: Schema of the table.
        follow_changes: Extract changed images again and drop the rows of deleted ones; otherwise both rows
            are kept.
        follow_links: Whether symbolic links may lead out of the folder of the images.
    """

    def __init__(
        self,
        roots: StorageRoots,
        table: StorageFolder,
        schema: pa.Schema,
        *,
        follow_changes: bool,
        follow_links: bool = False,
    ) -> None:
        self._roots = roots
        self._table = table
        self._schema = schema
        self._follow_changes = follow_changes
        self._follow_links = follow_links

    def update(self, name: str, files: Sequence[StoredFile], extract_rows: ExtractRows) -> ShardChanges:
        """Extract the missing and outdated images of a shard, and write it atomically.

        Args:
            name: File name of the shard.
            files: Current listing of the shard's images.
            extract_rows: Extracts the rows of images.
        """
        changes = ShardChanges()
        old = self._read_rows(name)
        rows = {image_id: known for image_id, known in old.items() if not self._follow_changes}
        missing = []
        for file in files:
            known = old.get(file.path, [])
            if known and self._is_unchanged(known[0], file):
                listed = {"file_bytes": file.num_bytes, "modified_ns": file.modified_ns}
                rows[file.path] = [row | listed for row in known]
            else:
                if known:
                    changes.num_changed += 1
                    changes.changed = [*changes.changed, file.path][:MAX_NAMES]
                if not known or self._follow_changes:
                    missing.append(file)
        for file, extracted in zip(missing, extract_rows(missing), strict=True):
            rows[file.path] = [row | self._location(file.path) for row in extracted]
            changes.extracted[extracted[0]["status"]] += 1
        started_s = time.perf_counter()
        if missing or rows != old:
            written = [row for image_id in sorted(rows) for row in rows[image_id]]
            put_shard(written, self._schema, self._table, name)
        changes.write_s = time.perf_counter() - started_s
        return changes

    def _read_rows(self, name: str) -> dict[str, list[Row]]:
        """Return the rows of each image in a shard."""
        if not self._table.has(name):
            return {}
        rows = pq.ParquetFile(f"{self._table.path}/{name}", filesystem=self._table.filesystem).read()
        found: dict[str, list[Row]] = {}
        for row in rows.to_pylist():
            found.setdefault(row["image_id"], []).append(row)
        return found

    def _location(self, image_id: str) -> Row:
        """Return the columns `source`, if the folders have names, and `folder`, the label or the person."""
        source, path = self._roots.split(image_id)
        folder, slash, _ = path.partition("/")
        return {"source": source, "folder": folder if slash else ""}  # none for an image in the root itself

    def _is_unchanged(self, row: Row, file: StoredFile) -> bool:
        """Return whether a file is unchanged; if its size or time differs, its content is compared."""
        if (row["file_bytes"], row["modified_ns"]) == (file.num_bytes, file.modified_ns):
            return True
        if row["content_sha256"] is None:
            return False
        data = self._roots.read(file.path, follow_links=self._follow_links)
        return isinstance(data, bytes) and hashlib.sha256(data).digest() == row["content_sha256"]
