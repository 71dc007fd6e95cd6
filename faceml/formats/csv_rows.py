"""Rows of the CSV files that data sets are shipped with."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from faceml.config import ConfigError
from faceml.errors import translate_errors
from faceml.formats.data_format import BrokenRecord

BLOCK_BYTES = 2**20


def find_file(source: Path, names: Sequence[str], data_set: str) -> Path:
    """Return a file of a data set: the source itself, or the first of these names in it or in its folders.

    Args:
        source: The folder or file that was downloaded.
        names: Names of the file, the usual one first.
        data_set: Name of the data set, for errors.

    Raises:
        ConfigError: There is no such file, or the source is one of another name.
    """
    if source.is_file() and source.name in names:
        return source
    found = [file for name in names for file in (source / name, *sorted(source.glob(f"*/{name}")))]
    for file in found:
        if file.is_file():
            return file
    raise ConfigError(f"{source}: has no {' or '.join(names)}, the file of {data_set}. Name its folder.")


def count_rows(file: Path) -> int:
    """Return the number of lines after the header."""
    with file.open("rb") as stream:
        lines = sum(block.count(b"\n") for block in iter(lambda: stream.read(BLOCK_BYTES), b""))
    return max(0, lines - 1)


def read_rows(file: Path, columns: Sequence[str]) -> Iterator[dict[str, str] | BrokenRecord]:
    """Read a CSV file row by row; blanks around names and values, and case in names, do not count.

    Args:
        file: The file, in UTF-8, with a header.
        columns: Columns that the file must have, in lower case.

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
        reader = csv.reader(stream)
        header = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in columns if name not in header]
        if missing:
            raise ConfigError(
                f"{file}: has no column {', '.join(missing)}. Its header has {', '.join(header) or 'none'}."
            )
        for cells in reader:
            if not cells:
                continue
            row = f"{file.name}, line {reader.line_num}"
            if len(cells) == len(header):
                yield {"row": row, **{k: v.strip() for k, v in zip(header, cells, strict=True)}}
            else:
                yield BrokenRecord(row, "not as many values as the header has names")
