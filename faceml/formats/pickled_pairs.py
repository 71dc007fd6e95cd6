"""Pickles of verification pairs, read without unpickling.

A pickle is a program that can call any function. Here nothing is called: its opcodes are read by
`pickletools`, and the few that describe lists of images and of booleans give plain values. Images stay in
the file, so memory does not grow with them.
"""

import os
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

from faceml.config import ConfigError
from faceml.errors import flatten_message, translate_errors

Kind = TypeVar("Kind")
_MARK = object()

BYTES = ("BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
TEXTS = ("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
NUMBERS = ("BININT", "BININT1", "BININT2", "LONG1")
CONSTANTS = {"NEWTRUE": True, "NEWFALSE": False, "NONE": None, "EMPTY_TUPLE": (), "MARK": _MARK}
LITERALS = {*BYTES, *TEXTS, *NUMBERS, *CONSTANTS, "EMPTY_LIST", "GLOBAL"}
PUTS, GETS = ("BINPUT", "LONG_BINPUT", "MEMOIZE"), ("BINGET", "LONG_BINGET")
RECONSTRUCT = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
FROM_BUFFER = ("numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer")
"""Arrays of numpy, in protocol 5 and in older ones."""
GLOBALS = ("_codecs encode", *RECONSTRUCT, *FROM_BUFFER, "numpy ndarray", "numpy dtype")
"""All names that pickles of images have, `_codecs.encode` in protocol 2; none of them is imported."""
UINT8 = (b"u1", b"|u1")


@dataclass(frozen=True)
class StoredBytes:
    """Bytes in a file.

    Attributes:
        position: Position in the file.
        length: Length, in bytes.
        is_text: Whether they are stored as a text in UTF-8 with one character for each.
    """

    position: int
    length: int
    is_text: bool = False

    def read(self, stream: BinaryIO, length: int | None = None) -> bytes:
        """Return the bytes, or the first ones."""
        wanted = self.length if length is None or self.is_text else min(length, self.length)
        stored = os.pread(stream.fileno(), wanted, self.position)
        return stored.decode().encode("latin-1", "replace")[:length] if self.is_text else stored


class PickledPairs(NamedTuple):
    """Images of N pairs, two after another, and whether both images of a pair show the same person."""

    images: list[StoredBytes]
    same: list[bool]


@dataclass
class _Call:
    """A call that the pickle asks for, and the state that it gives to the result."""

    function: str
    arguments: tuple[Any, ...]
    state: Any = None


def read_pickled_pairs(file: Path) -> PickledPairs:
    """Read a pickle of a list of encoded images and a list of booleans, in protocols 2 to 5.

    Images are bytes, strings of Python 2, or arrays of uint8.

    Raises:
        ConfigError: The file is no such pickle.
    """

    def refuse(error: Exception) -> ConfigError:
        reason = flatten_message(error) if isinstance(error, ValueError) else "it is damaged"
        return ConfigError(
            f"{file}: is no pickle of images and pairs as insightface ships it ({reason}). Nothing of it was "
            "run."
        )

    kinds = (ValueError, LookupError, OverflowError, MemoryError)
    not_pairs = translate_errors(kinds, refuse, keep_cause=False)
    with not_pairs, file.open("rb") as stream:
        value = _read_value(stream)
        if not (isinstance(value, list | tuple) and [type(part) for part in value] == [list, list]):
            raise ValueError("it is not a list of images and one of booleans")
        images, same = value
        if not all(isinstance(flag, int) and flag in (0, 1) for flag in same):
            raise ValueError("the second list has other values than True and False")
        if len(images) != 2 * len(same):
            raise ValueError(f"it has {len(images):,} images and {len(same):,} pairs")
        return PickledPairs([_find_bytes(image, stream) for image in images], [bool(flag) for flag in same])


def _read_value(stream: BinaryIO) -> Any:
    """Return the value of a pickle, with strings as `StoredBytes` and calls as `_Call`.

    Raises:
        ValueError: The pickle is damaged, or has other opcodes or names.
        LookupError: The pickle is damaged.
    """
    stack, memo = list[Any](), dict[Any, Any]()
    for opcode, argument, position in pickletools.genops(stream):
        name = opcode.name
        if name in LITERALS:
            stack.append(_literal(name, argument, stream.tell()))
        elif name in BUILDERS:
            stack.append(BUILDERS[name](stack))
        elif name == "STACK_GLOBAL":
            second, first = (_pop(stack, StoredBytes).read(stream).decode() for _ in range(2))
            stack.append(_check_global(f"{first} {second}"))
        elif name in PUTS:
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name in GETS:
            stack.append(memo[argument])
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"it has {name} at byte {position:,}")
    raise ValueError("it has no end")


def _literal(name: str, argument: Any, end: int) -> Any:
    """Return the value that an opcode describes by itself.

    Args:
        name: The opcode.
        argument: Its argument.
        end: Position in the file after the argument.
    """
    if name in BYTES or name in TEXTS:
        length = len(argument.encode() if name in TEXTS else argument)
        return StoredBytes(end - length, length, is_text=name in TEXTS)
    if name == "GLOBAL":
        return _check_global(argument)
    return [] if name == "EMPTY_LIST" else CONSTANTS.get(name, argument)


def _build_tuple(stack: list[Any]) -> tuple[Any, ...]:
    items = []
    while (item := stack.pop()) is not _MARK:
        items.append(item)
    return tuple(items[::-1])


def _append(stack: list[Any]) -> list[Any]:
    item, items = stack.pop(), _pop(stack, list)
    items.append(item)
    return items


def _extend(stack: list[Any]) -> list[Any]:
    added, items = _build_tuple(stack), _pop(stack, list)
    items.extend(added)
    return items


def _call(stack: list[Any]) -> _Call:
    arguments, function = _pop(stack, tuple), _pop(stack, str)
    return _Call(function, arguments)


def _set_state(stack: list[Any]) -> _Call:
    state, call = stack.pop(), _pop(stack, _Call)
    call.state = state
    return call


BUILDERS: dict[str, Callable[[list[Any]], Any]] = {
    "TUPLE": _build_tuple,
    "TUPLE1": lambda stack: (stack.pop(),),
    "TUPLE2": lambda stack: (stack.pop(), stack.pop())[::-1],
    "TUPLE3": lambda stack: (stack.pop(), stack.pop(), stack.pop())[::-1],
    "APPEND": _append,
    "APPENDS": _extend,
    "REDUCE": _call,
    "BUILD": _set_state,
}
"""Functions that take the operands of an opcode from the stack, and return its result."""


def _pop(stack: list[Any], kind: type[Kind]) -> Kind:
    """Remove and return an operand of this type."""
    value = stack.pop()
    if not isinstance(value, kind):
        raise ValueError("an operand has the wrong type")
    return value


def _check_global(name: str) -> str:
    if name not in GLOBALS:
        raise ValueError(f"it has {name.replace(' ', '.')}")
    return name


def _find_bytes(image: object, stream: BinaryIO) -> StoredBytes:
    """Return the bytes of an image.

    Raises:
        ValueError: It is something else than bytes, a string of Python 2, or an array of uint8.
    """
    match image:
        case _Call(function, (data, kind, _, _)) if function in FROM_BUFFER:
            is_uint8 = _is_uint8(kind, stream)
        case _Call(function, _, (_, _, kind, _, data)) if function in RECONSTRUCT:
            is_uint8 = _is_uint8(kind, stream)
        case _:
            data, is_uint8 = image, True
    match data:
        case StoredBytes(is_text=False) if is_uint8:
            return data
        case _Call("_codecs encode", (StoredBytes(is_text=True) as text, _)) if is_uint8:
            return text
    raise ValueError("the first list has other values than bytes and arrays of uint8")


def _is_uint8(kind: object, stream: BinaryIO) -> bool:
    match kind:
        case _Call("numpy dtype", (StoredBytes() as name, *_)):
            return name.read(stream) in UINT8
    return False
