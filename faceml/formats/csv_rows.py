"""Rows of the CSV files that data sets are shipped with."""

import csv
import textwrap
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from faceml.config import ConfigError
from faceml.errors import translate_errors
from faceml.formats.data_format import BrokenRecord

BLOCK_BYTES = 2**20
LONGEST_LINE = 2**20
"""Characters; a longer line counts as several."""


def count_rows(file: Path, column: str) -> int:
    """Return the number of lines of a CSV file, without a header that names a column, given in lower case."""
    with file.open("rb") as stream:
        has_header = column.encode() in stream.readline(LONGEST_LINE).lower()
        stream.seek(0)
        lines = sum(block.count(b"\n") for block in iter(lambda: stream.read(BLOCK_BYTES), b""))
    return max(0, lines - has_header)


def read_rows(
    file: Path, columns: Sequence[str], *, header: Sequence[str] = (), delimiter: str = ","
) -> Iterator[dict[str, str] | BrokenRecord]:
    """Read a CSV file row by row; blanks around names and values, and case in names, do not count.

    Args:
        file: The file, in UTF-8.
        columns: Columns that the file must have, in lower case.
        header: Header of a file without one, whose first row has as many values; empty if there must be one.
        delimiter: Character between two values.

    Yields:
        Values by column, the columns in lower case, with the row's name for messages as `row`; or a broken
        record for a row that has fewer or more values than the header.

    Raises:
        ConfigError: The file is no such CSV file, or misses a column.
    """
    unreadable = translate_errors(
        (UnicodeDecodeError, csv.Error),
        lambda error: ConfigError(f"{file}: cannot be read as a CSV file ({error})."),
    )
    with unreadable, file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(iter(lambda: stream.readline(LONGEST_LINE), ""), delimiter=delimiter)
        first = next(reader, [])
        names: list[str] = [name.strip().lower() for name in first]
        rows: Iterator[list[str]] = reader
        missing = [name for name in columns if name not in names]
        if missing and header and len(first) == len(header):
            names, rows = list(header), chain([first], reader)
        elif missing:
            found = textwrap.shorten(", ".join(names) or "none", 200)
            raise ConfigError(f"{file}: has no column {', '.join(missing)}. Its header has {found}.")
        for cells in rows:
            if not cells:
                continue
            row = f"{file.name}, line {reader.line_num}"
            if len(cells) == len(names):
                yield {"row": row, **{k: v.strip() for k, v in zip(names, cells, strict=True)}}
            else:
                yield BrokenRecord(row, f"not {len(names)} values")
