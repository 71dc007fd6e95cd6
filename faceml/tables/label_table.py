"""Label tables: targets of images, joined to the rows of a landmark table by the images' names."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from faceml.config import ConfigError
from faceml.errors import translate_errors
from faceml.storage import collect_batches
from faceml.tables.face_rows import FACE, SEPARATOR, face_names, is_further_face
from faceml.tables.label_files import NORMALISED, label_columns, load_labels
from faceml.tables.queries import (
    DEFAULT_LIMITS,
    ROWS_OF_BATCH,
    Connection,
    OutOfMemory,
    QueryError,
    QueryLimits,
    open_database,
    reason_of,
)

MOST_NAMED = 3
"""Number of images named in each count."""

NAMES = {
    "images_without_labels": "select name from images anti join found using (key)",
    "labels_without_images": "select distinct key as name from labels anti join known using (key)",
    "doubles": "select key as name from found where num_rows > 1 and not differs",
    "contradictions": "select key as name from found where differs",
    "unlabelled_faces": "select name from further",
}
MATCHES = "select distinct key as name from labels semi join known using (key)"
"""Names of images, also of further ones, that the label table has."""
MESSAGES = {
    "images_without_labels": "images have no row in the label table (%s): they have no targets of it.",
    "labels_without_images": "image names of the label table belong to no image (%s): they are not used.",
    "doubles": "images have several rows of equal values in the label table (%s): each counts once.",
    "contradictions": "images have rows of different values in the label table (%s): those values count as "
    "unknown.",
    "unlabelled_faces": "faces have no labels (%s): the label table has no column 'face', so its rows apply "
    "only to face 0 of each image. Add this column to label the others.",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class NamedCount:
    """A number of images or keys, and the first of their names in alphabetical order."""

    number: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(self.names) + (", …" if self.number > len(self.names) else "")


@dataclass(frozen=True)
class LabelCounts:
    """Differences between the images and their label table.

    Attributes:
        images_without_labels: Images without a row in the label table.
        labels_without_images: Keys of the label table that belong to no image.
        doubles: Images with several rows, whose values are equal where they are known.
        contradictions: Images with several rows, in which a column has different values.
        unlabelled_faces: Further faces of images, if the label table has no column `face`.
    """

    images_without_labels: NamedCount
    labels_without_images: NamedCount
    doubles: NamedCount
    contradictions: NamedCount
    unlabelled_faces: NamedCount = NamedCount(0, ())

    def as_plain(self) -> dict[str, Any]:
        """Return the counts and names as plain values, for a summary in JSON."""
        return {name: count | {"names": list(count["names"])} for name, count in asdict(self).items()}

    def log(self, place: str) -> None:
        """Warn of each count that is not zero, in a line that names the first images."""
        for field in fields(self):
            count: NamedCount = getattr(self, field.name)
            if count.number:
                logger.warning(f"%s: %s {MESSAGES[field.name]}", place, f"{count.number:,}", count)


@dataclass(frozen=True)
class JoinedLabels:
    """Rows of images with columns of a label table appended, and the differences between both."""

    rows: pa.Table
    counts: LabelCounts


def join_labels(
    rows: pa.Table,
    place: str,
    columns: Sequence[str],
    key: str = "image_id",
    others: pa.ChunkedArray | None = None,
    limits: QueryLimits = DEFAULT_LIMITS,
) -> JoinedLabels:
    r"""Append columns of a label table to the rows of images; values that are not known are null.

    Several rows of one image complete each other: in each column, the value is the one that they have in
    common. Where they contradict each other, it is null. NaN counts as unknown, and so does a list that
    contains NaN or null. A key matches an image's name without `./` at its beginning, and with `\` read as
    `/`.

    If the rows are of faces and the label table has the column `face` too, its rows label these faces; null
    is face 0. Without that column they label face 0 of each image only.

    The label table may be larger than memory; its rows are never Python objects.

    Args:
        rows: Table of N images with the column `image_id`, or of N faces with `face` too.
        place: Label table: a Parquet file, a CSV file with a header, or a folder of Parquet files; a path or
            URI.
        columns: Columns to append: numbers, text, booleans, or lists of numbers.
        key: Column of the label table with the images' names, text or integers.
        others: Names of other images, or of faces as `face_names` has them, which the label table may have
            too. Those of the rows may be among them.
        limits: Limits of memory.

    Returns:
        The N rows in their order with the columns appended, and the differences.

    Raises:
        ConfigError: The label table cannot be read, misses a column, has one that the rows have too, or has
            no key that is the name of an image.
        StoppedError: Neither memory nor the temporary folder has space left.
    """
    place, columns = str(place), list(dict.fromkeys(columns))
    for column in columns:
        if column in rows.column_names:
            raise ConfigError(
                f"{place}: column '{column}' is in the landmark table too. Rename it in the label table."
            )
    with (
        TemporaryDirectory() as scratch,
        open_database(limits=limits) as connection,
        _translate_errors(place),
    ):
        by_face = FACE in rows.column_names and FACE in label_columns(place)
        types = load_labels(connection, place, [*columns, *([FACE] if by_face else [])], key, Path(scratch))
        if by_face:
            _name_faces(connection, place, len(columns), types.pop())
        _match_images(connection, rows, others, len(columns), by_face=by_face)
        counts = LabelCounts(**{name: _count(connection, query) for name, query in NAMES.items()})
        without_labels = counts.images_without_labels.number
        unlabelled = without_labels and without_labels + counts.unlabelled_faces.number == rows.num_rows
        if unlabelled and not _count(connection, MATCHES).number:
            raise _no_match(place, key, counts)
        values = _values_in_order(connection, dict(zip(columns, types, strict=True)))
    for name in columns:
        rows = rows.append_column(name, values[name])
    return JoinedLabels(rows, counts)


def _values_in_order(connection: Connection, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Return the values of each row, given the types of the columns by their names."""
    schema = pa.schema(list(types.items()))
    values = ", ".join(f"c{index}" for index in range(len(types))) or "null"
    found = connection.sql(
        f"select {values} from (select position, key from images union all select position, null from "
        "further) left join found using (key) order by position"
    ).to_arrow_reader(ROWS_OF_BATCH)
    named = (pa.RecordBatch.from_arrays(batch.columns[: len(types)], names=schema.names) for batch in found)
    return collect_batches(schema, (batch.cast(schema) for batch in named))


def _translate_errors(place: str) -> translate_errors[QueryError]:
    """Raise an error of one line that names the label table in place of an error of a query."""

    def translate(error: QueryError) -> Exception | None:
        if isinstance(error, OutOfMemory):
            return None
        return ConfigError(f"{place}: the label table cannot be read ({reason_of(error)}).")

    return translate_errors(QueryError, translate)


def _name_faces(connection: Connection, place: str, column: int, kind: pa.DataType) -> None:
    """Make the keys of the view `labels` names of faces, given the column with their numbers and its type.

    Raises:
        ConfigError: The numbers are none.
    """
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise ConfigError(
            f"{place}: column '{FACE}' holds {kind}, not the numbers of faces in the landmark table. Correct "
            "or rename it."
        )
    connection.execute("alter view labels rename to labels_of_images")
    connection.execute(
        f"create temp view labels as select * replace (case when c{column} > 0 "
        f"then key || '{SEPARATOR}' || c{column}::bigint else key end as key) from labels_of_images"
    )


def _match_images(
    connection: Connection,
    rows: pa.Table,
    others: pa.ChunkedArray | None,
    num_columns: int,
    *,
    by_face: bool,
) -> None:
    """Create the relations `images`, `known`, which has the keys of the others too, `found` and `further`.

    `found` has a row for each key that is an image's, `further` the faces that labels of images leave out.
    """
    names = face_names(rows)
    is_further = pa.array(is_further_face(rows) & (not by_face))
    connection.register("rows", _numbered(pa.table({"name": names, "is_further": is_further})))
    connection.execute(
        f"create temp table numbered as select *, {NORMALISED.format('name')} as key from rows"
    )
    connection.execute("create temp view images as select * from numbered where not is_further")
    connection.execute("create temp view further as select * from numbered where is_further")
    connection.register("others", pa.table({"image_id": others if others is not None else names[:0]}))
    connection.execute(
        "create temp view known as select key from images union all "
        f"select {NORMALISED.format('image_id')} from others"
    )
    columns = [f"c{index}" for index in range(num_columns)]
    values = [f"case when min({name}) = max({name}) then min({name}) end as {name}" for name in columns]
    differ = [f"coalesce(min({name}) <> max({name}), false)" for name in columns]
    selected = ["key", "count(*) as num_rows", f"{' or '.join(differ) or 'false'} as differs", *values]
    connection.execute(
        f"create temp table found as select {', '.join(selected)} from labels semi join images using (key) "
        "group by key"
    )


def _numbered(rows: pa.Table) -> pa.RecordBatchReader:
    """Return rows as a stream, with their position."""
    schema = rows.schema.append(pa.field("position", pa.int64()))

    def batches() -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in rows.to_batches(ROWS_OF_BATCH):
            position = np.arange(start, start + len(batch))
            start += len(batch)
            yield pa.record_batch([*batch.columns, position], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _count(connection: Connection, names: str) -> NamedCount:
    counted = f"select count(*), min(name, {MOST_NAMED}) from ({names})"
    number, first = connection.execute(counted).fetchall()[0]
    return NamedCount(number, tuple(first or ()))


def _no_match(place: str, key: str, counts: LabelCounts) -> ConfigError:
    unmatched = counts.labels_without_images
    if not unmatched.number:
        return ConfigError(f"{place}: the label table has no rows.")
    return ConfigError(
        f"{place}: no image has a row in the label table: its column '{key}' has '{unmatched.names[0]}', an "
        f"image is called '{counts.images_without_labels.names[0]}'. Name the column of the images' names "
        "with labels.key, or change its values to paths below the image folder."
    )
