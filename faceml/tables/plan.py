"""Differences between a listing of images and a table, and the plan of the shards to write.

The plan is stored in the table's folder until the extraction is complete. A resumed extraction writes the
same shards of the same images under the same names, so a worker that outlives its driver does no harm: it
writes the same files.
"""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faceml.storage import StorageFolder, StoredFile
from faceml.tables.face_rows import first_rows, key_columns
from faceml.tables.image_listing import LISTING_SCHEMA
from faceml.tables.landmark_table import read_shard_schema, shard_names

PLAN_FILE = ".plan.parquet"
SHARDS_KEY = b"faceml.shards"

SHARDS_AHEAD = 2
"""A shard has at most 1/2 of one worker's share of the remaining images, so that all workers finish at nearly
the same time."""
SMALLEST_SHARD = 16
"""Images; the overhead of smaller shards exceeds their benefit."""


@dataclass(frozen=True)
class TableDiff:
    """Differences between a listing of images and a table; file tables have the columns of a listing.

    Attributes:
        new: Images that neither the table nor an interrupted plan has.
        unfinished: Files of each shard of an interrupted plan that is not written yet.
        stale: Files of each shard with images whose size or time of change differs.
        empty: Shards of which all images are deleted.
        num_modified: Number of images whose size or time of change differs.
        deleted: Images of the table that are not listed, sorted.
        num_rows: Number of images of the table.
        by_source: Number of images of the table by source; by None if its images have no source.
    """

    new: pa.Table
    unfinished: dict[str, pa.Table]
    stale: dict[str, pa.Table]
    empty: list[str]
    num_modified: int
    deleted: list[str]
    num_rows: int
    by_source: dict[str | None, int]

    @property
    def is_empty(self) -> bool:
        """Whether the table is up to date."""
        return not (self.num_to_extract or self.stale or self.empty)

    @property
    def num_to_extract(self) -> int:
        """Number of images without a row."""
        return sum(int(files.num_rows) for files in (self.new, *self.unfinished.values()))

    @property
    def bytes_to_extract(self) -> int:
        """Total file size of the images without a row."""
        files = (self.new, *self.unfinished.values())
        sizes = [size for part in files for size in part["file_bytes"].chunks]
        total: int = pc.sum(pa.chunked_array(sizes, pa.int64())).as_py() or 0
        return total


def compare_with_table(
    listing: pa.Table, table: StorageFolder, *, follow_changes: bool, sources: Sequence[str] = ()
) -> TableDiff:
    """Compare a listing with a table and with the plan of an interrupted extraction.

    Args:
        listing: Listing of `list_images`.
        table: Folder of the table.
        follow_changes: Include shards with rows of deleted images in the stale ones.
        sources: Names of the sources that are listed; none if the images have no sources. Planned images of
            other sources are not extracted.
    """
    planned = {name: files for name, files in read_plan(table).items() if not table.has(name)}
    listed = {name: _of_sources(files, sources) for name, files in planned.items()}
    unfinished = {name: files for name, files in listed.items() if files.num_rows}
    rows = _read_listing(table)
    known = pa.concat_tables(
        [rows.select(["image_id"]), *(files.select(["image_id"]) for files in unfinished.values())]
    )
    place = pc.index_in(rows["image_id"], value_set=listing["image_id"])
    deleted = pc.is_null(place)
    modified = pc.fill_null(
        pc.or_(
            pc.not_equal(listing["file_bytes"].take(place), rows["file_bytes"]),
            pc.not_equal(listing["modified_ns"].take(place), rows["modified_ns"]),
        ),
        False,
    )
    stale = pc.unique(rows["shard"].filter(pc.or_(modified, deleted) if follow_changes else modified))
    files_of = {
        name: listing.take(place.filter(pc.equal(rows["shard"], name)).drop_null())
        for name in stale.to_pylist()
    }
    return TableDiff(
        new=listing.filter(pc.invert(pc.is_in(listing["image_id"], value_set=known["image_id"]))),
        unfinished=unfinished,
        stale={name: files for name, files in files_of.items() if files.num_rows},
        empty=sorted(name for name, files in files_of.items() if not files.num_rows),
        num_modified=pc.sum(modified).as_py() or 0,
        deleted=sorted(rows["image_id"].filter(deleted).to_pylist()),
        num_rows=rows.num_rows,
        by_source=count_by_source(rows["image_id"], has_sources=bool(sources)),
    )


def count_by_source(image_ids: pa.ChunkedArray, *, has_sources: bool) -> dict[str | None, int]:
    """Count images by the source that their names begin with; by None if they have no sources."""
    if not has_sources:
        return {None: len(image_ids)}
    return {each["values"]: each["counts"] for each in pc.value_counts(_sources_of(image_ids)).to_pylist()}


def _of_sources(files: pa.Table, sources: Sequence[str]) -> pa.Table:
    """Return the files of the given sources; all if there are none."""
    if not sources:
        return files
    return files.filter(pc.is_in(_sources_of(files["image_id"]), value_set=pa.array(sources, pa.string())))


def _sources_of(image_ids: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(image_ids, "(?s)/.*", "")


def split_into_shards(listing: pa.Table, images_per_shard: int, workers: int) -> dict[str, pa.Table]:
    """Split a listing into shards, the last ones smaller, so that no worker finishes late.

    Deterministic guided self-scheduling (Polychronopoulos & Kuck 1987).
    """
    shards, start = {}, 0
    while start < listing.num_rows:
        share = (listing.num_rows - start) // (workers * SHARDS_AHEAD)
        part = listing.slice(start, max(SMALLEST_SHARD, min(images_per_shard, share)))
        digest = hashlib.sha256("\n".join(part["image_id"].to_pylist()).encode()).hexdigest()[:16]
        shards[f"part-{digest}.parquet"] = part
        start += part.num_rows
    return shards


def write_plan(shards: dict[str, pa.Table], table: StorageFolder, schema: pa.Schema) -> None:
    """Write the plan, one row group for each shard.

    Args:
        shards: Files of each shard.
        table: Folder of the table.
        schema: Schema of the table, whose settings a resumed extraction must have too.
    """
    schema = LISTING_SCHEMA.with_metadata({**schema.metadata, SHARDS_KEY: json.dumps(list(shards))})
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for files in shards.values():
            writer.write_table(files.cast(schema), row_group_size=files.num_rows)
    table.write(PLAN_FILE, sink.getvalue())


def read_plan(table: StorageFolder) -> dict[str, pa.Table]:
    """Return the shards of a plan with their files, empty if there is no plan."""
    if not table.has(PLAN_FILE):
        return {}
    plan = _open_plan(table)
    return {name: plan.read_row_group(index) for index, name in enumerate(_planned_names(plan))}


def read_planned_files(table: StorageFolder, shard: str) -> list[StoredFile]:
    """Return the files of a planned shard."""
    plan = _open_plan(table)
    files = plan.read_row_group(_planned_names(plan).index(shard))
    return [
        StoredFile(*row)
        for row in zip(*(files[name].to_pylist() for name in LISTING_SCHEMA.names), strict=True)
    ]


def _open_plan(table: StorageFolder) -> pq.ParquetFile:
    return pq.ParquetFile(f"{table.path}/{PLAN_FILE}", filesystem=table.filesystem)


def _planned_names(plan: pq.ParquetFile) -> list[str]:
    names: list[str] = json.loads(plan.schema_arrow.metadata[SHARDS_KEY])
    return names


def _read_listing(table: StorageFolder) -> pa.Table:
    """Return the listing from which the table was extracted, with the column `shard`."""
    names = shard_names(table)
    with ThreadPoolExecutor(8) as readers:
        parts = list(readers.map(lambda name: _read_shard_listing(table, name), names))
    return pa.concat_tables([LISTING_SCHEMA.append(pa.field("shard", pa.string())).empty_table(), *parts])


def _read_shard_listing(table: StorageFolder, name: str) -> pa.Table:
    columns = [*key_columns(read_shard_schema(table, name).names), "file_bytes", "modified_ns"]
    rows = pq.read_table(f"{table.path}/{name}", columns=columns, filesystem=table.filesystem)
    rows = first_rows(rows).select(LISTING_SCHEMA.names).replace_schema_metadata(None).cast(LISTING_SCHEMA)
    return rows.append_column("shard", pa.array([name] * rows.num_rows, pa.string()))
