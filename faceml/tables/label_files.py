"""Files of label tables, Parquet or CSV, opened as relations of DuckDB that are read out of core."""

import csv
import gzip
import textwrap
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from faceml.config import ConfigError
from faceml.errors import translate_errors
from faceml.storage import StorageFolder, split_place
from faceml.tables.queries import Connection

if TYPE_CHECKING:
    from pyarrow.dataset import FileSystemDatasetFactory

PARQUET_SUFFIX = ".parquet"
CSV_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
DELIMITERS = ",;\t|"
READ_AHEAD = 4
"""Batches of a Parquet file that are read before they are needed, each of up to 131,072 rows."""

WIDER = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.float16(): pa.float32(),  # DuckDB has no half precision
    pa.null(): pa.float64(),
}
"""Types of Arrow that are cast to others."""

SQL_TYPES = {pa.int64(): "bigint", pa.float64(): "double", pa.bool_(): "boolean", pa.string(): "varchar"}
"""Types of the columns of a CSV file."""

# Keys as data sets ship them: paths of Windows, and paths that begin with `./`.
NORMALISED = r"coalesce(nullif(regexp_replace(replace(trim({0}), '\', '/'), '^(\./)+', ''), ''), '(empty)')"

# Numbers of a CSV file. Digits after a leading zero, such as 007, are text: a cast would lose the zeros.
WHOLE_NUMBER = r"[-+]?(0|[1-9]\d{0,17})"
NUMBER = r"[-+]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][-+]?\d+)?|[-+]?([nN][aA][nN]|[iI][nN][fF])"


def load_labels(
    connection: Connection, place: str, columns: Sequence[str], key: str, scratch: Path
) -> list[pa.DataType]:
    """Load a label table as the view `labels`, with the column `key` of strings and the values `c0`, `c1`, ….

    NaN and lists with NaN or null are null; so are empty cells of a CSV file.

    Args:
        connection: Database that the view is created in.
        place: Parquet or CSV file or folder of Parquet files, a path or URI.
        columns: Columns of the values.
        key: Column of the keys.
        scratch: Temporary folder that outlives the connection.

    Returns:
        Type of each column; the view has lists of a fixed size as lists of any size.

    Raises:
        ConfigError: There is no such table, it is no Parquet file, or it misses a column.
        QueryError: The table cannot be read.
    """
    folder, names = find_label_files(place)
    if _is_parquet(names):
        return _load_parquet(connection, folder, names, place, columns, key)
    return _load_csv(connection, _local_copy(folder, names[0], scratch), place, columns, key)


def label_columns(place: str) -> list[str]:
    """Return the names of a label table's columns.

    Raises:
        ConfigError: There is no such table, or it cannot be read.
    """
    folder, names = find_label_files(place)
    if _is_parquet(names):
        with _translate_arrow(place):
            columns: list[str] = _inspect(folder, names)[1].names
            return columns
    with TemporaryDirectory() as scratch:
        return _read_header(_local_copy(folder, names[0], Path(scratch)), place)[0]


def _is_parquet(names: Sequence[str]) -> bool:
    return names[0].lower().endswith(PARQUET_SUFFIX)


def _inspect(folder: StorageFolder, names: Sequence[str]) -> tuple["FileSystemDatasetFactory", pa.Schema]:
    """Return a factory for a data set of Parquet files, and the schema of all files."""
    from pyarrow.dataset import FileSystemDatasetFactory, ParquetFileFormat  # late: it imports pandas

    paths = [f"{folder.path}/{name}" for name in names]
    factory = FileSystemDatasetFactory(folder.filesystem, paths, ParquetFileFormat())
    return factory, factory.inspect(promote_options="permissive")


def _translate_arrow(place: str) -> translate_errors[Exception]:
    return translate_errors(
        (pa.ArrowInvalid, pa.ArrowTypeError),
        lambda error: ConfigError(
            f"{place}: the label table cannot be read ({textwrap.shorten(str(error), 300)})."
        ),
    )


def _plain_type(kind: pa.DataType) -> pa.DataType | None:
    """Return the type of a column's values after the join; None if labels cannot have the type."""
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_decimal(kind):
        return pa.float64()
    kind = WIDER.get(kind, kind)
    if pa.types.is_string(kind) or pa.types.is_boolean(kind) or _is_number(kind):
        return kind
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        value = _plain_type(kind.value_type)
        if value is not None and _is_number(value):
            return pa.list_(value, kind.list_size if pa.types.is_fixed_size_list(kind) else -1)
    return None


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def find_label_files(place: str) -> tuple[StorageFolder, list[str]]:
    """Return the folder and the names of the files of a label table."""
    folder = StorageFolder(place)
    if folder.exists():
        names = folder.files(PARQUET_SUFFIX)
        if not names:
            raise ConfigError(f"{place}: the folder has no Parquet files. Name a Parquet or CSV file.")
        return folder, names
    parent, name = split_place(place)
    folder = StorageFolder(parent)
    if not folder.has(name):
        raise ConfigError(f"{place}: no such label table. Name a Parquet or CSV file that is there.")
    if not name.lower().endswith((PARQUET_SUFFIX, *CSV_SUFFIXES)):
        known = ", ".join((PARQUET_SUFFIX, *CSV_SUFFIXES))
        raise ConfigError(f"{place}: a label table is a Parquet or CSV file; its name ends in {known}.")
    return folder, [name]


def _require_columns(place: str, found: Sequence[str], columns: Sequence[str], key: str) -> None:
    there = f"It has {', '.join(found)}."
    if key not in found:
        raise ConfigError(
            f"{place}: the label table has no column '{key}' of image names. Name that column with "
            f"labels.key. {there}"
        )
    for column in columns:
        if found.count(column) != 1:
            problem = "has several columns" if column in found else "has no column"
            raise ConfigError(f"{place}: the label table {problem} '{column}'. {there}")


def _load_parquet(
    connection: Connection,
    folder: StorageFolder,
    names: Sequence[str],
    place: str,
    columns: Sequence[str],
    key: str,
) -> list[pa.DataType]:
    with _translate_arrow(place):
        factory, schema = _inspect(folder, names)
        _require_columns(place, schema.names, columns, key)
        types = [_value_type(place, schema.field(column)) for column in columns]
        # Versions of DuckDB before 2 do not compute with lists of a fixed size.
        loaded = [pa.list_(kind.value_type) if pa.types.is_nested(kind) else kind for kind in types]
        fields = {"key": pc.field(key).cast(_key_type(place, schema.field(key)))} | {
            f"c{index}": pc.field(column).cast(kind)
            for index, (column, kind) in enumerate(zip(columns, loaded, strict=True))
        }
        reader = factory.finish(schema).scanner(columns=fields, batch_readahead=READ_AHEAD).to_reader()
    connection.register("label_file", reader)
    connection.execute(
        f"create temp table loaded as select * replace ({NORMALISED.format('key')} as key) from label_file"
    )
    _create_view(connection, [_without_nan(f"c{index}", kind) for index, kind in enumerate(types)])
    return types


def _key_type(place: str, field: pa.Field) -> pa.DataType:
    kind = _plain_type(field.type)
    if kind is None or not (pa.types.is_string(kind) or pa.types.is_integer(kind)):
        raise ConfigError(
            f"{place}: column '{field.name}' holds {field.type}, not names of images. Name the column of the "
            "names with labels.key."
        )
    return pa.string()


def _value_type(place: str, field: pa.Field) -> pa.DataType:
    kind = _plain_type(field.type)
    if kind is None:
        raise ConfigError(
            f"{place}: column '{field.name}' holds {field.type}; labels are numbers, text, booleans, or "
            "lists of numbers."
        )
    return kind


def _without_nan(name: str, kind: pa.DataType) -> str:
    """Return the SQL expression of a column where NaN, blank text and a list with NaN or null are null."""
    if pa.types.is_string(kind):
        return f"nullif(trim({name}), '')"
    if pa.types.is_floating(kind):
        return f"case when not isnan({name}) then {name} end"
    if pa.types.is_nested(kind):
        numbers = f"{name}::double[]"
        return (
            f"case when list_count({numbers}) = len({numbers}) and not isnan(list_sum({numbers})) "
            f"then {name} end"
        )
    return name


def _local_copy(folder: StorageFolder, name: str, scratch: Path) -> Path:
    """Return a local path of a file for DuckDB, which takes `*` and `[` in other paths for patterns."""
    path = scratch / f"labels{''.join(Path(name.lower()).suffixes[-2:])}"
    if folder.is_local:
        path.symlink_to(f"{folder.path}/{name}")
    else:
        pafs.copy_files(
            f"{folder.path}/{name}",
            str(path),
            source_filesystem=folder.filesystem,
            destination_filesystem=pafs.LocalFileSystem(),
        )
    return path


def _load_csv(
    connection: Connection, file: Path, place: str, columns: Sequence[str], key: str
) -> list[pa.DataType]:
    header, delimiter = _read_header(file, place)
    _require_columns(place, header, columns, key)
    # All cells are read as text under the numbers of their columns: the types follow from the whole file,
    # and any name may be in the header.
    cells = connection.read_csv(
        str(file),
        header=True,
        auto_detect=False,
        delimiter=delimiter,
        quotechar='"',
        escapechar='"',
        columns={f"cell{index}": "VARCHAR" for index in range(len(header))},
    )
    key_cell, *values = [f"cell{header.index(name)}" for name in (key, *columns)]
    named = [f"nullif(trim({cell}), '') as c{index}" for index, cell in enumerate(values)]
    cells.project(", ".join([f"{NORMALISED.format(key_cell)} as key", *named])).to_table("loaded")
    types = [_narrowest_type(connection, f"c{index}") for index in range(len(columns))]
    _create_view(
        connection, [_without_nan(f"c{index}::{SQL_TYPES[kind]}", kind) for index, kind in enumerate(types)]
    )
    return types


def _read_header(file: Path, place: str) -> tuple[list[str], str]:
    """Return the names of a CSV file's columns and the character that separates them."""
    with (
        translate_errors(
            (UnicodeDecodeError, EOFError, gzip.BadGzipFile),
            lambda error: ConfigError(f"{place}: the label table cannot be read, line 1: {error}."),
        ),
        gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream,
    ):
        line = stream.readline().decode("utf-8-sig").partition("\r")[0]
    delimiter = max(DELIMITERS, key=line.count)
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])], delimiter


def _narrowest_type(connection: Connection, name: str) -> pa.DataType:
    """Return the narrowest type of all values of a column of text."""
    found = connection.execute(
        f"select bool_and(regexp_full_match({name}, ?)), bool_and(regexp_full_match({name}, ?)),"
        f" bool_and(lower({name}) in ('true', 'false')) from loaded",
        [WHOLE_NUMBER, NUMBER],
    ).fetchone()
    is_whole, is_number, is_boolean = found or (None, None, None)
    if is_whole:
        return pa.int64()
    if is_number is not False:  # a column without values is one of numbers
        return pa.float64()
    return pa.bool_() if is_boolean else pa.string()


def _create_view(connection: Connection, values: Sequence[str]) -> None:
    named = [f"{value} as c{index}" for index, value in enumerate(values)]
    connection.execute(f"create temp view labels as select {', '.join(['key', *named])} from loaded")
