"""Spellings of the classes in label columns: case, blanks, numbers, and words for one expression."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from faceml.config import ConfigError

SPELLINGS = (
    ("neutral", "neutrality"),
    ("happy", "happiness", "joy", "joyful"),
    ("sad", "sadness"),
    ("surprise", "surprised"),
    ("fear", "fearful", "afraid", "scared"),
    ("disgust", "disgusted"),
    ("anger", "angry"),
    ("contempt", "contemptuous"),
)
"""Spellings of each expression in published data sets."""


def other_spellings(names: Iterable[str]) -> dict[str, str]:
    """Return the other spellings of expressions, each by the one of its spellings that is a name."""
    byfolded = {folded(name): name for name in names}
    aliases = dict[str, str]()
    for spellings in SPELLINGS:
        named = [byfolded[spelling] for spelling in spellings if spelling in byfolded]
        if len(named) == 1:  # two spellings among the names are two classes
            aliases |= {spelling: named[0] for spelling in spellings if spelling not in byfolded}
    return aliases


def names_by_spelling(
    names: Iterable[str], numbered: Sequence[str], aliases: Mapping[str, str]
) -> dict[str, str]:
    """Return the name of a class by each folded spelling of it: itself, its aliases, and its number."""
    has_numbers = any(name.isdecimal() for name in numbered)  # numbers that are names are no positions
    numbers = {} if has_numbers else {str(number): name for number, name in enumerate(numbered)}
    return (
        numbers
        | {folded(alias): name for alias, name in aliases.items()}
        | {folded(name): name for name in names}
    )


def distinct_texts(values: pa.ChunkedArray | pa.Array, where: str) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return the position of each value among the distinct ones, -1 for null, and those as text.

    Args:
        values: N values: text, numbers or booleans.
        where: Column and table of the values, for the error.

    Returns:
        int64 of shape (N,), and the distinct values in no particular order.

    Raises:
        ConfigError: The values are of another type.
    """
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if pa.types.is_nested(kind) or pa.types.is_temporal(kind):
        raise ConfigError(f"{where}: holds {kind}; classes are text, numbers or booleans.")
    values = values.cast(pa.string() if pa.types.is_null(kind) else kind)
    if pa.types.is_floating(kind):
        values = pc.if_else(pc.is_nan(values), None, values)
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    encoded = pa.concat_arrays(chunks or [pa.array([], values.type)]).dictionary_encode()
    positions: npt.NDArray[np.int64] = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
    return positions, [text_of(value) for value in encoded.dictionary.to_pylist()]


def text_of(value: str | float | bool) -> str:
    """Return a value of a class as text: `true` or `false`, and whole numbers without decimals."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # whole numbers beside nulls are often stored as floating-point numbers
    return str(value).strip()


def folded(text: str) -> str:
    """Return a text in the form in which spellings are compared."""
    return text.strip().casefold()
