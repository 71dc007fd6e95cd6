"""Comparison of a listing of images with a table, in bounded memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from faceml.extraction.file_lists import FileList, ShardFileList
from faceml.extraction.plan import InterruptedPlan, read_plan
from faceml.storage import StorageFolder
from faceml.tables import (
    LISTING_SCHEMA,
    ROWS_PER_GROUP,
    SHARD_FIELD,
    SHARD_SUFFIX,
    Connection,
    NamedCount,
    QueryLimits,
    TableImages,
    collect_images,
    open_database,
    write_row_groups,
)

LIMITS = QueryLimits(memory_gib=0.5)
NAMED = 20
"""Number of deleted images that are named for each source."""

# A row for each image of the listing, the table or the unfinished shards. Of the latter, `shard` is empty.
JOINED = """
select
    image_id, listed.file_bytes, listed.modified_ns, shard, {source} as source,
    listed.file_bytes is not null as is_listed,
    coalesce(shard, '') <> '' as has_row,
    coalesce(listed.file_bytes <> known.file_bytes or listed.modified_ns <> known.modified_ns, false)
        and known.file_bytes is not null and known.modified_ns is not null as is_modified
from listed full join known using (image_id)
"""
KNOWN = """
select image_id, file_bytes, modified_ns, shard from {rows}
union all select image_id, null, null, '' from unfinished
"""
STALE = """
select shard, bool_or(is_listed) as has_files from joined where has_row
group by shard having bool_or(is_modified or ({follow_changes} and not is_listed))
"""
COUNTS = """
select
    source, count(*) filter (is_listed), count(*) filter (has_row), count(*) filter (is_modified),
    count(*) filter (has_row and not is_listed),
    min(image_id, {named}) filter (has_row and not is_listed)
from joined group by source
"""
COLUMNS = ", ".join(LISTING_SCHEMA.names)


class TableState(NamedTuple):
    """Plan of an interrupted extraction, and the images of all shards but those that it has written."""

    plan: InterruptedPlan
    images: TableImages


@dataclass(frozen=True)
class TableDiff:
    """Differences between a listing of images and a table; lists of files have the columns of a listing.

    Attributes:
        new: Images that neither the table nor an interrupted plan has, sorted.
        plan: Shards of an interrupted plan, without images that no longer exist.
        stale: Files of each shard with images whose size or time of change differs.
        empty: Shards of which all images are deleted.
        num_modified: Number of images whose size or time of change differs.
        listed: Number of listed images by source; by None if the images have no sources.
        deleted: Number of images of the table that are not listed, and the first of them, by source.
        by_source: Number of images of the table by source.
        images: Images of the table.
        scratch: Local folder of the lists.
    """

    new: FileList
    plan: InterruptedPlan
    stale: ShardFileList
    empty: list[str]
    num_modified: int
    listed: Mapping[str | None, int]
    deleted: Mapping[str | None, NamedCount]
    by_source: Mapping[str | None, int]
    images: TableImages
    scratch: Path

    @property
    def is_empty(self) -> bool:
        """Whether the table is up to date."""
        return not (self.num_to_extract or self.stale.num_shards or self.empty)

    @property
    def num_rows(self) -> int:
        """Number of images of the table."""
        return sum(self.by_source.values())

    @property
    def num_deleted(self) -> int:
        """Number of images of the table that are not listed."""
        return sum(count.number for count in self.deleted.values())

    @property
    def num_to_extract(self) -> int:
        """Number of images without a row."""
        return self.new.num_rows + self.plan.unfinished.num_rows

    def num_to_read(self, *, follow_changes: bool) -> int:
        """Return the number of images without a row, and of changed images if their rows are replaced."""
        return self.num_to_extract + (self.num_modified if follow_changes else 0)

    @property
    def bytes_to_extract(self) -> int:
        """Total file size of the images without a row."""
        return self.new.num_bytes + self.plan.unfinished.num_bytes


def read_table_state(table: StorageFolder, scratch: Path, sources: Sequence[str] = ()) -> TableState:
    """Read the images of a table, and the plan of an interrupted extraction.

    Args:
        table: Folder of the table.
        scratch: Local folder for lists of files, which take about 40 bytes for each image.
        sources: Names of the sources that are listed; none if the images have no sources. Planned images of
            other sources are not extracted.

    Raises:
        ConfigError: A shard is not one of a table that this version of faceml reads.
    """
    files = table.listed_files(SHARD_SUFFIX)
    plan = read_plan(table, [file.path for file in files], sources, scratch)
    return TableState(plan, collect_images(table, files, scratch, plan.written.names()))


def compare_with_table(
    listing: Iterable[pa.RecordBatch],
    state: TableState,
    scratch: Path,
    *,
    follow_changes: bool,
    has_sources: bool = False,
    limits: QueryLimits = LIMITS,
) -> TableDiff:
    """Compare a listing with a table and with the plan of an interrupted extraction.

    The lists of files are on disk; memory does not depend on their length.

    Args:
        listing: Batches of `list_image_batches`, in any order.
        state: The table.
        scratch: Local folder for the lists, which take about 110 bytes for each image, with those of the
            table.
        follow_changes: Include shards with rows of deleted images in the stale ones.
        has_sources: Whether the names of images begin with their sources.
        limits: Limits of memory; temporary files are in `scratch`.

    Raises:
        ConfigError: A folder cannot be listed.
        StoppedError: Neither memory nor `scratch` has space left.
    """
    plan, images = state
    listed = scratch / "listed.parquet"
    write_row_groups(listed, LISTING_SCHEMA, (pa.Table.from_batches([batch]) for batch in listing))
    with open_database(limits=limits._replace(spill_folder=scratch)) as connection:
        _join(connection, listed, plan, images, has_sources=has_sources)
        return _diff(connection, scratch, plan, images, follow_changes)


def _join(
    connection: Connection,
    listed: Path,
    plan: InterruptedPlan,
    images: TableImages,
    *,
    has_sources: bool,
) -> None:
    """Create the view `joined` of a row for each image of the listing, the table or the plan."""
    connection.execute(f"create view listed as from {_parquet(listed)}")
    connection.execute(f"create view unfinished as from {_parquet(plan.unfinished.file)}")
    described = pa.table({"shard": [shard.name for shard in images.shards]}, pa.schema([SHARD_FIELD]))
    connection.register("described", described)
    # The manifest may describe some of the shards that the plan has written.
    rows = f"select * from {_parquet(plan.written.file)} anti join described using (shard)"
    for part in images.parts:
        rows += f" union all by name from {_parquet(part)}"
    connection.execute(f"create view known as {KNOWN.format(rows=f'({rows})')}")
    source = "split_part(image_id, '/', 1)" if has_sources else "null::varchar"
    joined = listed.with_name("joined.parquet")
    _copy(connection, JOINED.format(source=source), joined)
    connection.execute(f"create view joined as from {_parquet(joined)}")


def _diff(
    connection: Connection,
    scratch: Path,
    plan: InterruptedPlan,
    images: TableImages,
    follow_changes: bool,
) -> TableDiff:
    new, stale = scratch / "new.parquet", scratch / "stale.parquet"
    connection.execute(f"create temp table stale as {STALE.format(follow_changes=follow_changes)}")
    _copy(connection, f"select {COLUMNS} from joined where shard is null order by image_id", new)
    _copy(
        connection,
        f"select {COLUMNS}, shard from joined semi join stale using (shard) where is_listed "
        "order by shard, image_id",
        stale,
    )
    empty = connection.execute("select shard from stale where not has_files order by shard").fetchall()
    (stale_shards,) = connection.execute("select count(*) from stale where has_files").fetchall()[0]
    counts = connection.execute(COUNTS.format(named=NAMED)).fetchall()
    return TableDiff(
        new=FileList(new, *_size(connection, new)),
        plan=plan._replace(unfinished=_without_deleted(connection, scratch, plan.unfinished)),
        stale=ShardFileList(stale, *_size(connection, stale), stale_shards),
        empty=[shard for (shard,) in empty],
        num_modified=sum(modified for _, _, _, modified, _, _ in counts),
        listed={source: number for source, number, *_ in counts},
        deleted={source: NamedCount(number, tuple(names)) for source, *_, number, names in counts if number},
        by_source={source: number for source, _, number, *_ in counts},
        images=images,
        scratch=scratch,
    )


def _without_deleted(connection: Connection, scratch: Path, unfinished: ShardFileList) -> ShardFileList:
    """Return the files of unfinished shards that are listed, in the same order."""
    if not unfinished.num_rows:
        return unfinished
    file = scratch / "unfinished_listed.parquet"
    rows = f"read_parquet({_text(unfinished.file)}, file_row_number = true)"
    _copy(
        connection,
        f"select * exclude (file_row_number) from {rows} semi join listed using (image_id) "
        "order by file_row_number",
        file,
    )
    (shards,) = connection.execute(f"select count(distinct shard) from {_parquet(file)}").fetchall()[0]
    return ShardFileList(file, *_size(connection, file), int(shards))


def _parquet(file: Path) -> str:
    """Return the expression that reads a file."""
    return f"read_parquet({_text(file)})"


def _text(file: Path) -> str:
    """Return a path as text of SQL."""
    return "'" + str(file).replace("'", "''") + "'"


def _copy(connection: Connection, query: str, file: Path) -> None:
    """Write the result of a query to a Parquet file."""
    connection.execute(
        f"copy ({query}) to {_text(file)} (format parquet, compression zstd, row_group_size {ROWS_PER_GROUP})"
    )


def _size(connection: Connection, file: Path) -> tuple[int, int]:
    """Return the number of files of a list, and their total size."""
    rows = connection.execute(f"select count(*), coalesce(sum(file_bytes), 0) from {_parquet(file)}")
    number, num_bytes = rows.fetchall()[0]
    return int(number), int(num_bytes)
