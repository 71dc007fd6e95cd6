"""Selection of rows of a landmark table by the values of columns, as the rows of a split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from faceml.config import ConfigError, SplitConfig
from faceml.storage import Places, filter_rows
from faceml.tables.face_rows import face_names, key_columns
from faceml.tables.label_table import LabelCounts
from faceml.tables.landmark_sets import MESH_COLUMNS
from faceml.tables.landmark_table import table_columns
from faceml.tables.sorted_rows import read_table
from faceml.tables.source_labels import columns_of_labels, join_source_labels, label_tables

MOST_VALUES = 10
"""Number of values of a column that an error names."""

Where = Mapping[str, Sequence[str]]
"""Values by which rows are selected, as text, by the column that has them."""


class LabelSource(NamedTuple):
    """A label table: its path or URI, or one for each source, and the column with the names of images."""

    place: Places
    key: str = "image_id"

    def __str__(self) -> str:
        return ", ".join(label_tables(self.place).values())


class SelectedRows(NamedTuple):
    """Rows of a selection.

    Attributes:
        rows: N rows, sorted as by `read_table`.
        table_rows: Number of all rows of the table.
        label_counts: Differences between the images and the label table; None if it is not read.
    """

    rows: pa.Table
    table_rows: int
    label_counts: LabelCounts | None


@dataclass(frozen=True)
class TableSelection:
    """Rows of a landmark table, all or those with given values in some columns.

    Attributes:
        table: The landmark table, a path or URI.
        where: Values of columns of the landmark table or the label table, as text. A row is selected if it
            has one of its values in each column.
        labels: Label table with further columns.
    """

    table: str
    where: Where = field(default_factory=dict)
    labels: LabelSource | None = None

    def __str__(self) -> str:
        return f"{self.table} where {_describe(self.where)}" if self.where else self.table

    def read(self, columns: Sequence[str]) -> SelectedRows:
        """Read columns of the rows, sorted as by `read_table`.

        Columns that the landmark table does not have come from the label table, which is read only if there
        are such columns. `image_id` is always read, and so is `face` if the table has one row per face.

        Raises:
            ConfigError: There is no usable table, it lacks a column, or no row has a value of `where`.
        """
        wanted = list(dict.fromkeys([*columns, *self.where]))
        has = {*table_columns(self.table), *MESH_COLUMNS}
        further = [] if self.labels is None else [name for name in wanted if name not in has]
        self._check_columns(has)
        found = read_table(self.table, [name for name in wanted if name not in further])
        own = {name: values for name, values in self.where.items() if name not in further}
        rows, counts = self._filter(found, {}, own), None
        if self.labels is not None and further:
            names = face_names(found if own else found[:0])
            joined = join_source_labels(rows, self.labels.place, further, self.labels.key, names)
            counts = joined.counts
            labelled = {name: values for name, values in self.where.items() if name in further}
            rows = self._filter(joined.rows, own, labelled)
        returned = list(dict.fromkeys([*key_columns(has), *columns]))
        return SelectedRows(rows.select(returned), found.num_rows, counts)

    def _check_columns(self, has: set[str]) -> None:
        unknown = [name for name in self.where if name not in has]
        if not unknown:
            return
        labelled = columns_of_labels(self.labels.place) if self.labels else {}
        missing = [name for name in unknown if not any(name in names for names in labelled.values())]
        if missing:
            own = ", ".join(table_columns(self.table))
            others = "".join(f"; {place} has {', '.join(names)}" for place, names in labelled.items())
            raise ConfigError(f"where.{missing[0]}: there is no such column. {self.table} has {own}{others}.")

    def _filter(self, rows: pa.Table, before: Where, where: Where) -> pa.Table:
        """Return the rows that have one of the given values in each column of `where`.

        Args:
            rows: Rows with these columns.
            before: Values by which the rows were already selected, for errors.
            where: Values by which to select.

        Raises:
            ConfigError: A column has no text, numbers or booleans, or no row has a value.
        """
        for column, values in where.items():
            texts, wanted = self._texts(rows[column], column), pa.array(values, pa.string())
            unmatched = wanted.filter(pc.invert(pc.is_in(wanted, value_set=texts)))
            if len(unmatched):
                those = f" where {_describe(before)}" if before else ""
                raise ConfigError(
                    f"where.{column}: no row of {self.table}{those} has the value '{unmatched[0]}'. "
                    f"The values are {_count_values(texts)}."
                )
            rows = filter_rows(rows, pc.is_in(texts, value_set=wanted))
            before = {**before, column: values}
        return rows

    def _texts(self, column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)
        if not (is_text or pa.types.is_primitive(kind)):
            raise ConfigError(
                f"where.{name}: the column of {self.table} has values of type {kind}; rows are selected by "
                "text, numbers or booleans."
            )
        return column.cast(pa.string())


def build_selection(split: SplitConfig) -> TableSelection:
    """Build the selection of the rows of a split."""
    labels = LabelSource(split.labels.file, split.labels.key) if split.labels else None
    return TableSelection(split.table, split.where, labels)


def _describe(where: Where) -> str:
    return ", ".join(f"{column}: {' or '.join(values)}" for column, values in where.items())


def _count_values(texts: pa.ChunkedArray) -> str:
    """Return the most frequent values of a column with their numbers of rows."""
    counts = {each["values"]: each["counts"] for each in pc.value_counts(texts).to_pylist()}
    by_count = sorted(counts, key=lambda value: (-counts[value], value or ""))
    named = [f"{'null' if value is None else repr(value)} ({counts[value]:,} rows)" for value in by_count]
    return ", ".join(named[:MOST_VALUES]) + (", …" if len(named) > MOST_VALUES else "")
