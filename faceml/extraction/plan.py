"""Plan of the shards that an extraction writes.

The plan is stored in the table's folder until the extraction is complete. A resumed extraction writes the
same shards of the same images under the same names, so a worker that outlives its driver does no harm: it
writes the same files.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from faceml.extraction.file_lists import FileList, ShardFileList, ShardFiles, iterate_shards
from faceml.storage import StorageFolder, put_file
from faceml.tables import LISTING_SCHEMA, PLAN_FILE, read_row_groups, write_row_groups

SHARDS_KEY = b"faceml.shards"
"""Names of the shards in the metadata of plans of earlier versions, which have a row group for each shard."""

ShardState = Literal["new", "stale", "written"]
"""Whether the plan creates a shard, rewrites it, or has it from an earlier plan that was interrupted."""
PLAN_FIELDS = (pa.field("shard", pa.string()), pa.field("state", pa.string()))

SHARDS_AHEAD = 2
"""A shard has at most 1/2 of one worker's share of the remaining images, so that all workers finish at nearly
the same time."""
SMALLEST_SHARD = 16
"""Images; the overhead of smaller shards exceeds their benefit."""


class InterruptedPlan(NamedTuple):
    """Plan of an interrupted extraction.

    Attributes:
        unfinished: Files of the shards that are not written yet, in the order of the plan.
        written: Files of the shards that it has created, which are in the table.
    """

    unfinished: ShardFileList
    written: ShardFileList


def split_into_shards(files: FileList, images_per_shard: int, workers: int) -> Iterator[ShardFiles]:
    """Split a list of files into shards, the last ones smaller, so that no worker finishes late.

    Deterministic guided self-scheduling (Polychronopoulos & Kuck 1987).
    """
    tables, left = files.tables(), files.num_rows
    waiting = LISTING_SCHEMA.empty_table()
    while left:
        share = left // (workers * SHARDS_AHEAD)
        size = min(left, max(SMALLEST_SHARD, min(images_per_shard, share)))
        while waiting.num_rows < size:
            waiting = pa.concat_tables([waiting, next(tables)])
        part, waiting, left = waiting.slice(0, size), waiting.slice(size), left - size
        digest = hashlib.sha256("\n".join(part["image_id"].to_pylist()).encode()).hexdigest()[:16]
        yield ShardFiles(f"part-{digest}.parquet", part)


def write_plan(
    shards: Iterable[tuple[ShardState, Iterable[ShardFiles]]],
    table: StorageFolder,
    schema: pa.Schema,
    scratch: Path,
) -> ShardFileList:
    """Write the plan to the table's folder.

    Args:
        shards: Shards by their state, in the order in which they are to be extracted.
        table: Folder of the table.
        schema: Schema of the table, whose settings a resumed extraction must have too.
        scratch: Local folder for files of the plan.

    Returns:
        The shards to extract, without those that are written.
    """
    counts = _Counts()
    plan_schema = pa.schema([*LISTING_SCHEMA, *PLAN_FIELDS], metadata=schema.metadata)
    rows = (
        _with_shard(shard, state)
        for state, each in shards
        for shard in counts.counted(each, state != "written")
    )
    plan, work = scratch / "plan.parquet", scratch / "work.parquet"
    write_row_groups(plan, plan_schema, rows)
    put_file(plan, table, PLAN_FILE)
    unwritten = (part.filter(pc.not_equal(part["state"], "written")) for part in read_row_groups(plan))
    write_row_groups(work, pa.schema([*LISTING_SCHEMA, PLAN_FIELDS[0]]), unwritten)
    plan.unlink()
    return ShardFileList(work, counts.images, counts.num_bytes, counts.shards)


def read_plan(
    table: StorageFolder, existing: Sequence[str], sources: Sequence[str], scratch: Path
) -> InterruptedPlan:
    """Read the plan of an interrupted extraction; both lists are empty if there is none.

    Args:
        table: Folder of the table.
        existing: Names of the shards that are in the table.
        sources: Names of the sources that are listed; none if the images have no sources. Planned images of
            other sources are left out of what is unfinished.
        scratch: Local folder for files of the plan.
    """
    plan, names = scratch / "interrupted.parquet", pa.array(existing, pa.string())
    has_plan = table.has(PLAN_FILE)
    if has_plan:
        local = pafs.LocalFileSystem()
        pafs.copy_files(f"{table.path}/{PLAN_FILE}", str(plan), table.filesystem, local)

    def unfinished() -> Iterator[pa.Table]:
        for rows in _planned_rows(plan) if has_plan else ():
            yield _of_sources(rows.filter(pc.invert(pc.is_in(rows["shard"], value_set=names))), sources)

    def written() -> Iterator[pa.Table]:
        for rows in _planned_rows(plan) if has_plan else ():
            is_written = pc.is_in(rows["state"], value_set=pa.array(["new", "written"]))
            yield rows.filter(pc.and_(is_written, pc.is_in(rows["shard"], value_set=names)))

    return InterruptedPlan(
        _write_shards(scratch / "unfinished.parquet", unfinished()),
        _write_shards(scratch / "written.parquet", written()),
    )


def source_of(image_ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the source that each name of an image begins with."""
    return pc.replace_substring_regex(image_ids, "(?s)/.*", "")


class _Counts:
    """Numbers of shards, and of the images in them."""

    def __init__(self) -> None:
        self.shards = self.images = self.num_bytes = 0

    def counted(self, shards: Iterable[ShardFiles], counts: bool = True) -> Iterator[ShardFiles]:
        for shard in shards:
            if counts:
                self.shards += 1
                self.images += shard.files.num_rows
                self.num_bytes += pc.sum(shard.files["file_bytes"]).as_py() or 0
            yield shard


def _write_shards(file: Path, tables: Iterator[pa.Table]) -> ShardFileList:
    """Write the files of shards, and count them."""
    counts = _Counts()
    schema = pa.schema([*LISTING_SCHEMA, PLAN_FIELDS[0]])
    rows = (_with_shard(shard, "new") for shard in counts.counted(iterate_shards(tables)))
    write_row_groups(file, schema, rows)
    return ShardFileList(file, counts.images, counts.num_bytes, counts.shards)


def _with_shard(shard: ShardFiles, state: ShardState) -> pa.Table:
    rows = shard.files
    for field, value in zip(PLAN_FIELDS, (shard.name, state), strict=True):
        rows = rows.append_column(field, pa.repeat(value, rows.num_rows))
    return rows


def _planned_rows(plan: Path) -> Iterator[pa.Table]:
    """Yield the rows of a plan with the columns of a listing, `shard` and `state`."""
    with pq.ParquetFile(plan) as opened:
        metadata = opened.schema_arrow.metadata or {}
        if SHARDS_KEY not in metadata:
            yield from read_row_groups(plan)
            return
        # Such a plan does not tell which shards were there before.
        for index, name in enumerate(json.loads(metadata[SHARDS_KEY])):
            yield _with_shard(ShardFiles(name, opened.read_row_group(index)), "stale")


def _of_sources(rows: pa.Table, sources: Sequence[str]) -> pa.Table:
    if not sources:
        return rows
    return rows.filter(pc.is_in(source_of(rows["image_id"]), value_set=pa.array(sources, pa.string())))
