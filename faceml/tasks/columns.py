"""Columns of the table of an evaluation's predictions.

Shape letters: N faces, B faces of a batch, K values of a face.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from torch import Tensor


def list_column(values: Tensor, known: Tensor | None = None) -> pa.Array:
    """Return a column with a list of float32 for each face.

    Args:
        values: Of shape (B, …).
        known: bool of shape (B,); the other rows are null.
    """
    rows = values.detach().float().reshape(len(values), -1).cpu().numpy()
    mask = None if known is None else pa.array(~known.cpu().numpy())
    flat = pa.array(rows.ravel(), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, rows.shape[1], mask=mask)


def list_values(table: pa.Table, column: str) -> npt.NDArray[np.float64]:
    """Return the values of a column of lists of equal length, of shape (N, K); NaN in rows that are null."""
    lists = table[column].combine_chunks()
    values = np.full((len(lists), lists.type.list_size), np.nan)
    given = lists.is_valid().to_numpy(zero_copy_only=False)
    values[given] = lists.drop_null().flatten().to_numpy(zero_copy_only=False).reshape(-1, values.shape[1])
    return values


def class_column(classes: Tensor, known: Tensor, num_classes: int) -> pa.Array:
    """Return a column of classes in the smallest type that has them all, at least int8.

    Args:
        classes: int64 of shape (B,).
        known: bool of shape (B,); the other rows are null.
        num_classes: Number of classes.
    """
    kind: Any = pa.int8() if num_classes <= np.iinfo(np.int8).max + 1 else pa.int32()
    return pa.array(classes.cpu().numpy(), pa.int64(), mask=~known.cpu().numpy()).cast(kind)


def output_values(
    table: pa.Table, outputs: Mapping[str, Sequence[int]]
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the outputs of a task that a table of predictions has, by name.

    Args:
        table: Predictions of N images, by this network or by another one.
        outputs: Shape of each output of one face by its name.

    Returns:
        float32 of shape (N, …); outputs of another shape are left out.
    """
    found = {}
    for name, shape in outputs.items():
        if name in table.column_names and table.schema.field(name).type.list_size == math.prod(shape):
            found[name] = list_values(table, name).astype(np.float32).reshape(-1, *shape)
    return found
