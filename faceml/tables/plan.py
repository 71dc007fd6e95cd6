"""What is to be done so that a landmark table equals a listing of images: exactly once, whatever happens.

The plan lies in the table's folder until all of it is done. Whoever goes on with an interrupted extraction
makes the same shards of the same images under the same names, so that a worker that outlived its driver can
do no harm: it writes what the new ones write.
"""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faceml.storage import StorageFolder, StoredFile
from faceml.tables.image_listing import LISTING_SCHEMA
from faceml.tables.landmark_table import read_shard_schema, shard_names

PLAN_FILE = ".plan.parquet"
SHARDS_KEY = b"faceml.shards"

SHARDS_AHEAD = 2
"""A shard takes at most 1/2 of what one worker still has to do, so that all finish at nearly the same
time."""
SMALLEST_SHARD = 16
"""Images; writing a smaller one takes longer than it saves."""


@dataclass(frozen=True)
class Difference:
    """How a landmark table differs from a listing of images; tables of files have the columns of a listing.

    Attributes:
        new: Images that neither the table nor an interrupted plan has.
        begun: For each shard of an interrupted plan that is not there yet, its files.
        stale: For each shard in which images may have changed, as their size or time is another, its files.
        emptied: Shards of which no image is left.
        touched: Images that may have changed.
        vanished: Images of the table that are not listed, sorted.
        known: Images of the table.
    """

    new: pa.Table
    begun: dict[str, pa.Table]
    stale: dict[str, pa.Table]
    emptied: list[str]
    touched: int
    vanished: list[str]
    known: int

    @property
    def is_nothing(self) -> bool:
        """Whether the table is what the listing says."""
        return not (self.num_to_extract or self.stale or self.emptied)

    @property
    def num_to_extract(self) -> int:
        """Images without a row."""
        return sum(int(files.num_rows) for files in (self.new, *self.begun.values()))

    @property
    def bytes_to_extract(self) -> int:
        """Size of their files."""
        sizes = [size for files in (self.new, *self.begun.values()) for size in files["file_bytes"].chunks]
        total: int = pc.sum(pa.chunked_array(sizes, pa.int64())).as_py() or 0
        return total


def compare(listing: pa.Table, table: StorageFolder, *, follow_changes: bool) -> Difference:
    """Compare a listing with a table and with the plan of an interrupted extraction.

    Args:
        listing: From `list_images`.
        table: The table's folder.
        follow_changes: Count shards as stale that have rows of vanished images.
    """
    begun = {name: files for name, files in read_plan(table).items() if not table.has(name)}
    done = _read_done(table)
    known = pa.concat_tables(
        [done.select(["image_id"]), *(files.select(["image_id"]) for files in begun.values())]
    )
    place = pc.index_in(done["image_id"], value_set=listing["image_id"])
    vanished = pc.is_null(place)
    touched = pc.fill_null(
        pc.or_(
            pc.not_equal(listing["file_bytes"].take(place), done["file_bytes"]),
            pc.not_equal(listing["modified_ns"].take(place), done["modified_ns"]),
        ),
        False,
    )
    stale = pc.unique(done["shard"].filter(pc.or_(touched, vanished) if follow_changes else touched))
    files_of = {
        name: listing.take(place.filter(pc.equal(done["shard"], name)).drop_null())
        for name in stale.to_pylist()
    }
    return Difference(
        new=listing.filter(pc.invert(pc.is_in(listing["image_id"], value_set=known["image_id"]))),
        begun=begun,
        stale={name: files for name, files in files_of.items() if files.num_rows},
        emptied=sorted(name for name, files in files_of.items() if not files.num_rows),
        touched=pc.sum(touched).as_py() or 0,
        vanished=sorted(done["image_id"].filter(vanished).to_pylist()),
        known=done.num_rows,
    )


def cut_into_shards(listing: pa.Table, images_per_shard: int, workers: int) -> dict[str, pa.Table]:
    """Cut a listing into shards, the last ones smaller, so that no worker is left with a long one.

    The same listing gives the same shards (guided self-scheduling, Polychronopoulos & Kuck 1987).
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
    """Write down what is to be done; each shard is a row group of one file.

    Args:
        shards: For each shard the files that it shall have.
        table: The table's folder.
        schema: Of the table: whoever goes on with the plan has to have the same settings.
    """
    schema = LISTING_SCHEMA.with_metadata({**schema.metadata, SHARDS_KEY: json.dumps(list(shards))})
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for files in shards.values():
            writer.write_table(files.cast(schema), row_group_size=files.num_rows)
    table.write(PLAN_FILE, sink.getvalue())


def read_plan(table: StorageFolder) -> dict[str, pa.Table]:
    """Return the shards of a plan with their files; none if there is no plan."""
    if not table.has(PLAN_FILE):
        return {}
    plan = _open_plan(table)
    return {name: plan.read_row_group(index) for index, name in enumerate(_planned_names(plan))}


def read_planned_files(table: StorageFolder, shard: str) -> list[StoredFile]:
    """Return the files that a shard shall have."""
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


def _read_done(table: StorageFolder) -> pa.Table:
    """Return the listing that the table's rows were made from, with the column `shard`."""
    names = shard_names(table)
    with ThreadPoolExecutor(8) as readers:
        parts = list(readers.map(lambda name: _read_shard_listing(table, name), names))
    return pa.concat_tables([LISTING_SCHEMA.append(pa.field("shard", pa.string())).empty_table(), *parts])


def _read_shard_listing(table: StorageFolder, name: str) -> pa.Table:
    read_shard_schema(table, name)
    rows = pq.read_table(
        f"{table.path}/{name}", columns=LISTING_SCHEMA.names, filesystem=table.filesystem
    ).replace_schema_metadata(None)
    rows = rows.cast(LISTING_SCHEMA)
    return rows.append_column("shard", pa.array([name] * rows.num_rows, pa.string()))
