"""Columns of rows in an Arrow file that is mapped into memory instead of being read.

The system reads a page of the file when it is used, shares it between all processes of the machine, and may
drop it again at any time: the memory of a process does not grow with the number of rows.

Shape letters: N rows.
"""

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Column: TypeAlias = pa.Array | npt.NDArray[Any]

FACTS = b"faceml.facts"
"""Key of the schema's metadata that has the facts."""
SHAPE, KIND = b"shape", b"dtype"
"""Keys of a field's metadata, for columns of numbers."""
TEXT = pa.large_string()
"""Type of columns of text: the characters of a column of strings may take 2 GiB at most."""


class RowsToMap(NamedTuple):
    """Columns of N rows, and what is known of all of them.

    Attributes:
        columns: Arrays of numbers or booleans of shape (N, …), and Arrow arrays of text.
        facts: Plain values, which are stored as JSON.
    """

    columns: Mapping[str, Column]
    facts: Mapping[str, Any]

    def write(self, sink: Path | pa.NativeFile) -> None:
        """Write an uncompressed Arrow file with one batch of rows."""
        arrays, fields = [], list[pa.Field]()
        for name, column in self.columns.items():
            array, metadata = _encode(column)
            arrays.append(array)
            fields.append(pa.field(name, array.type, metadata=metadata))
        schema = pa.schema(fields, metadata={FACTS: json.dumps(self.facts, allow_nan=True)})
        options = pa.ipc.IpcWriteOptions(allow_64bit=True)
        with pa.ipc.new_file(
            sink if isinstance(sink, pa.NativeFile) else str(sink), schema, options=options
        ) as file:
            file.write_batch(pa.record_batch(arrays, schema=schema))

    def mapped(self) -> "MappedRows":
        """Return the rows in memory, for those that need no file."""
        sink = pa.BufferOutputStream()
        self.write(sink)
        return MappedRows(sink.getvalue())


class MappedRows:
    """Read columns of N rows without copying them.

    Pickled, a file is its path: another process of the machine maps it again.

    Args:
        source: An Arrow file of `RowsToMap`, or its content.
    """

    def __init__(self, source: Path | pa.Buffer) -> None:
        self.source = source

    def __reduce__(self) -> tuple[type[Self], tuple[Path | pa.Buffer]]:
        return type(self), (self.source,)

    def __len__(self) -> int:
        rows: int = self._batch.num_rows
        return rows

    def __contains__(self, name: str) -> bool:
        return name in self._batch.schema.names

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What is known of all rows."""
        found: dict[str, Any] = json.loads(self._batch.schema.metadata[FACTS])
        return found

    def text(self, name: str) -> pa.Array:
        """Return a column of text, or of text by its distinct values."""
        return self._batch[name]

    def flat(self, name: str) -> pa.Array:
        """Return the numbers of a column one after another, booleans as uint8."""
        column = self._batch[name]
        return column.flatten() if pa.types.is_fixed_size_list(column.type) else column

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a column of numbers, (N, …)."""
        return (len(self), *json.loads(self._batch.schema.field(name).metadata[SHAPE]))

    def is_boolean(self, name: str) -> bool:
        """Return whether a column of numbers has booleans."""
        return bool(self._batch.schema.field(name).metadata[KIND] == b"bool")

    def numbers(self, name: str) -> npt.NDArray[Any]:
        """Return a column of numbers or booleans, a read-only array of shape (N, …)."""
        values: npt.NDArray[Any] = self.flat(name).to_numpy().reshape(self.shape(name))
        return values.view(np.bool_) if self.is_boolean(name) else values

    @cached_property
    def _batch(self) -> pa.RecordBatch:
        source = self.source
        if isinstance(source, Path):
            # Private pages: PyTorch has no read-only tensors, and nothing that it writes may reach the file.
            source = pa.py_buffer(np.memmap(source, mode="c"))
        return pa.ipc.open_file(source).get_batch(0)


def _encode(column: Column) -> tuple[pa.Array, dict[bytes, bytes] | None]:
    """Return a column as it is stored, and the metadata of its field."""
    if isinstance(column, pa.Array):
        is_text = pa.types.is_string(column.type)
        return (column.cast(TEXT) if is_text else column), None
    shape: Sequence[int] = column.shape[1:]
    metadata = {SHAPE: json.dumps(shape).encode(), KIND: column.dtype.name.encode()}
    flat: npt.NDArray[Any] = np.ascontiguousarray(column).reshape(-1)
    values = pa.array(flat.view(np.uint8) if flat.dtype == np.bool_ else flat)
    return (pa.FixedSizeListArray.from_arrays(values, int(np.prod(shape))) if shape else values), metadata


class MappedText(Sequence[str]):
    """Texts of a column as a sequence, of which only those in use are Python objects.

    Args:
        rows: The rows.
        name: Name of the column.
    """

    def __init__(self, rows: MappedRows, name: str) -> None:
        self._rows = rows
        self._name = name

    def __reduce__(self) -> tuple[type[Self], tuple[MappedRows, str]]:
        return type(self), (self._rows, self._name)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        found = self.array[index]
        texts: str | list[str] = found.to_pylist() if isinstance(index, slice) else found.as_py()
        return texts

    @cached_property
    def array(self) -> pa.Array:
        """The texts as an Arrow array."""
        return self._rows.text(self._name)


def find_sorted(texts: Sequence[str], text: str) -> int | None:
    """Return the first position of a text in a sorted sequence, None if it is not there."""
    place = bisect_left(texts, text)
    return place if place < len(texts) and texts[place] == text else None
