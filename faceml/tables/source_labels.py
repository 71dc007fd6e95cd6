"""Labels of images from one label table, or from one for each source of a landmark table."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

import pyarrow as pa
import pyarrow.compute as pc

from faceml.config import ConfigError
from faceml.storage import Places
from faceml.tables.face_rows import face_names, key_columns
from faceml.tables.label_files import label_columns
from faceml.tables.label_table import MOST_NAMED, JoinedLabels, LabelCounts, NamedCount, join_labels


def label_tables(places: Places) -> dict[str | None, str]:
    """Return the label tables by source; by None if there is one for all images."""
    return dict(places.items()) if isinstance(places, Mapping) else {None: str(places)}


def columns_of_labels(places: Places) -> dict[str, list[str]]:
    """Return the columns of each label table by its place.

    Raises:
        ConfigError: A label table is missing, or it cannot be read.
    """
    return {place: label_columns(place) for place in label_tables(places).values()}


def join_source_labels(
    rows: pa.Table, places: Places, columns: Sequence[str], key: str, others: pa.ChunkedArray
) -> JoinedLabels:
    """Append columns of one or several label tables to the rows of images; see `join_labels`.

    The keys of a source's label table are paths below the folder of that source. A column that it does not
    have is null for its images, and all columns are null for images of sources without a label table.

    Args:
        rows: Table of N images with the column `image_id`, or of N faces with `face` too.
        places: The label table, or those of sources.
        columns: Columns to append.
        key: Column of the label tables with the images' names.
        others: Names of other images or faces, which the label tables may have too. Those of the rows may be
            among them.

    Raises:
        ConfigError: A label table cannot be used, no label table has a column, or several have it with values
            of different types.
    """
    if not isinstance(places, Mapping):
        return join_labels(rows, str(places), columns, key, others)
    found, columns = columns_of_labels(places), list(dict.fromkeys(columns))
    missing = [name for name in columns if not any(name in names for names in found.values())]
    if missing:
        there = "; ".join(f"{place} has {', '.join(names)}" for place, names in found.items())
        raise ConfigError(f"labels: no label table has a column '{missing[0]}'. {there}.")
    parts = dict[str, JoinedLabels]()
    for source, place in places.items():
        own, further = _rows_below(rows, source), _below(others, source)
        if not own.num_rows + len(further):
            raise ConfigError(f"labels.{source}: the landmark table has no image of a source of this name.")
        present = [name for name in columns if name in found[place]]
        parts[source] = join_labels(own, place, present, key, further)
    kinds = {name: _common_type(name, parts, places) for name in columns}
    values = pa.concat_tables(
        [_named(part.rows, source, kinds) for source, part in parts.items()], promote_options="default"
    )
    positions = pc.index_in(face_names(rows), value_set=values["name"])
    for name in columns:
        rows = rows.append_column(name, values[name].take(positions))
    return JoinedLabels(rows, _merge({source: part.counts for source, part in parts.items()}))


def _below(names: pa.ChunkedArray, source: str) -> pa.ChunkedArray:
    """Return the names of a source's images, or faces, below its folder."""
    own = names.filter(pc.starts_with(names, f"{source}/"))
    return pc.utf8_slice_codeunits(own, len(source) + 1)


def _rows_below(rows: pa.Table, source: str) -> pa.Table:
    """Return the rows of a source's images, with their paths below its folder."""
    keys = rows.select(key_columns(rows.column_names))
    own = keys.filter(pc.starts_with(keys["image_id"], f"{source}/"))
    return own.set_column(0, "image_id", _below(own["image_id"], source))


def _named(rows: pa.Table, source: str, kinds: Mapping[str, pa.DataType]) -> pa.Table:
    """Return the rows of a source's images with their whole names, and values of the given types."""
    columns = {name: rows[name].cast(kinds[name]) for name in rows.column_names if name in kinds}
    return pa.table({"name": pc.binary_join_element_wise(source, face_names(rows), "/"), **columns})


def _common_type(name: str, parts: Mapping[str, JoinedLabels], places: Mapping[str, str]) -> pa.DataType:
    """Return the type of a column; numbers of different types are float64.

    Raises:
        ConfigError: Label tables have values of different types.
    """
    having = [source for source, part in parts.items() if name in part.rows.column_names]
    # A column without values of a CSV file may have any type.
    known = [source for source in having if parts[source].rows[name].null_count < parts[source].rows.num_rows]
    kinds = {source: parts[source].rows[name].type for source in known or having}
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds.values()):
        distinct = set(kinds.values())
        return distinct.pop() if len(distinct) == 1 else pa.float64()
    if len(set(kinds.values())) > 1:
        there = " and ".join(f"{kind} in {places[source]}" for source, kind in kinds.items())
        raise ConfigError(
            f"labels: the column '{name}' has values of type {there}. Give it values of one type in all "
            "label tables, or rename it in one of them."
        )
    return next(iter(kinds.values()))


def _merge(counts: Mapping[str, LabelCounts]) -> LabelCounts:
    merged = {}
    for field in fields(LabelCounts):
        parts: dict[str, NamedCount] = {source: getattr(each, field.name) for source, each in counts.items()}
        names = [f"{source}/{name}" for source, part in parts.items() for name in part.names]
        merged[field.name] = NamedCount(
            sum(part.number for part in parts.values()), tuple(names[:MOST_NAMED])
        )
    return LabelCounts(**merged)
