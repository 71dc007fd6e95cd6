"""Import of a data set: its images as files and its labels as a table."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from faceml.config import ConfigError
from faceml.formats.data_format import SPLIT, BrokenRecord, DataFormat, ImportedImage
from faceml.formats.import_summary import ImportSummary
from faceml.storage import StorageFolder, atomic_file, leads_below, write_text

IMAGES_FOLDER = "images"
LABELS_FILE = "labels.parquet"
STATE_FILE = "import.json"
RECORDS_PER_STEP = 5_000
"""Records between two updates of the state; after a kill, at most as many images are written again."""
ROWS_PER_GROUP = 50_000
MAX_NAME_BYTES = 255
"""Longest name of a file or folder on Linux, macOS and Windows."""


def import_data_set(
    data: DataFormat, output: Path, on_progress: Callable[[int], None] = lambda records: None
) -> ImportSummary:
    """Write a data set's labels to `labels.parquet`, and the images of a packed set below `images`.

    The same import again continues an interrupted one. Memory does not grow with the data set.

    Args:
        data: The data set.
        output: Folder of the import, on this machine.
        on_progress: Called with the number of records done since the last call.

    Raises:
        ConfigError: `output` has the import of another source, or no record has an image.
        StoppedError: No space is left.
    """
    state = _State(data, output)
    StorageFolder(output).sweep_partial()  # of an import that was killed
    summary = ImportSummary()
    texts = [name for name, kind in data.label_columns.items() if pa.types.is_string(kind)]
    counted = [name for name in texts if name != SPLIT]
    with _open_labels(data.label_columns, output) as write_row:
        for position, record in enumerate(map(_refuse_outside, data.records())):
            summary.add(record, counted)
            if isinstance(record, ImportedImage):
                write_row({"image_id": record.image_id, **record.labels})
                image = output / IMAGES_FOLDER / record.image_id
                if record.encode is not None and (position >= state.done or not image.is_file()):
                    with atomic_file(image, sync=False) as file:
                        file.write_bytes(record.encode())
                    summary.written += 1
            state.advance(position + 1)
            on_progress(1)
    if not summary.images:
        found = ", ".join(f"{number:,} × {reason}" for reason, number in summary.broken.items())
        raise ConfigError(f"{data.files[0]}: no record has an image ({found or 'the file is empty'}).")
    for name, text in data.texts().items():
        write_text(output / name, text)
    state.finish(position + 1, summary)
    return summary


class _State:
    """State of an import in its folder: the source, and the number of records whose images are written.

    Raises:
        ConfigError: The folder has the import of another source.
    """

    def __init__(self, data: DataFormat, output: Path) -> None:
        self._file = output / STATE_FILE
        self._source = {
            "format": data.name,
            "source": [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in data.files],
        }
        self.done = 0
        if self._file.is_file():
            found = json.loads(self._file.read_text(encoding="utf-8"))
            if _names(found) != _names(self._source):
                raise ConfigError(
                    f"{output}: has an import of {', '.join(_names(found))}. Choose another folder for that "
                    f"of {', '.join(_names(self._source))}."
                )
            self.done = found["records"] if found["source"] == self._source["source"] else 0

    def advance(self, position: int) -> None:
        """Write the state if a step of records is complete."""
        if position % RECORDS_PER_STEP == 0 and position > self.done:
            os.sync()  # the images are on the disk before the state that counts them
            self._write({"complete": False, "records": position})

    def finish(self, position: int, summary: ImportSummary) -> None:
        """Write the counts of the complete import."""
        os.sync()
        self._write({"complete": True, "records": position, **summary.as_json()})

    def _write(self, values: Mapping[str, Any]) -> None:
        write_text(self._file, json.dumps({**self._source, **values}, indent=2) + "\n")


def _names(state: Mapping[str, Any]) -> list[str]:
    return [state["format"], *(file for file, _, _ in state["source"])]


def _refuse_outside(record: ImportedImage | BrokenRecord) -> ImportedImage | BrokenRecord:
    """Replace an image whose name is none of a file below the folder of images."""
    if isinstance(record, BrokenRecord):
        return record
    longest = max(len(name.encode()) for name in record.image_id.split("/"))
    if leads_below(record.image_id) and longest <= MAX_NAME_BYTES:
        return record
    return BrokenRecord(record.image_id, "the name is no path below the folder")


@contextmanager
def _open_labels(
    columns: Mapping[str, pa.DataType], output: Path
) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Give a function that adds a row to the label table, which is written whole or not at all."""
    if not columns:
        yield lambda row: None
        return
    schema = pa.schema({"image_id": pa.string(), **columns})
    rows: list[dict[str, Any]] = []
    with (
        atomic_file(output / LABELS_FILE) as file,
        pq.ParquetWriter(file, schema, compression="zstd") as writer,
    ):

        def write_row(row: dict[str, Any]) -> None:
            rows.append(row)
            if len(rows) == ROWS_PER_GROUP:
                write_rows()

        def write_rows() -> None:
            writer.write_table(pa.Table.from_pylist(rows, schema))
            rows.clear()

        yield write_row
        write_rows()
