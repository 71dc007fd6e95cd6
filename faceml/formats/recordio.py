"""RecordIO files of DMLC and MXNet (dmlc-core, `include/dmlc/recordio.h`).

A file is a sequence of parts. A part is `MAGIC`, a word with its flag and length, its bytes, and zeros up to
a multiple of 4 bytes. A record is one part. Only where its bytes contain `MAGIC` at a multiple of 4, it is
split there into several parts, so `MAGIC` is found at a multiple of 4 of the file at parts alone.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAGIC = struct.pack("<I", 0xCED7230A)
START = struct.Struct("<4sI")
LENGTH_BITS = 29
ALIGNMENT = 4
WHOLE, FIRST, MIDDLE, LAST = range(4)
"""Flags of a part: a whole record, or one of its several parts."""
BLOCK_BYTES = 2**20


@dataclass(frozen=True)
class Record:
    """A record of an open file, whose bytes are read on demand.

    Attributes:
        descriptor: The file's descriptor.
        parts: Position and length of each part's bytes.
    """

    descriptor: int
    parts: tuple[tuple[int, int], ...]

    def read(self, start: int = 0, length: int | None = None) -> bytes:
        """Return bytes of the record from `start` on, fewer than `length` at its end."""
        if len(self.parts) > 1:
            whole = MAGIC.join(os.pread(self.descriptor, size, at) for at, size in self.parts)
            return whole[start : None if length is None else start + length]
        position, size = self.parts[0]
        left = max(0, size - start)
        return os.pread(self.descriptor, left if length is None else min(length, left), position + start)


@dataclass(frozen=True)
class Damage:
    """Bytes of one or several records that are damaged or cut off.

    Attributes:
        position: Position of the first byte in the file.
        end: Position after the last one, where the next intact record may begin.
    """

    position: int
    end: int


def read_records(stream: BinaryIO) -> Iterator[Record | Damage]:
    """Find all records of a file in constant memory.

    Lengths have no checksum. So a record is intact only if another one, or the end of the file, follows it.
    After damage, reading continues at the next part that begins a record.

    Args:
        stream: The open file.
    """
    descriptor = stream.fileno()
    size = os.fstat(descriptor).st_size
    position = 0
    while position < size:
        parts = _read_parts(descriptor, position)
        end = sum(parts[-1]) if parts else size + 1
        end += -end % ALIGNMENT
        if end == size or os.pread(descriptor, len(MAGIC), end) == MAGIC:
            yield Record(descriptor, parts)
            position = end
        else:
            start = _find_start(descriptor, position + ALIGNMENT, size)
            yield Damage(position, start)
            position = start


def _read_parts(descriptor: int, position: int) -> tuple[tuple[int, int], ...]:
    """Return position and length of the parts of the record at a position; none if it is damaged."""
    parts = list[tuple[int, int]]()
    flag = None
    while flag not in (WHOLE, LAST):
        start = os.pread(descriptor, START.size, position)
        magic, word = START.unpack(start) if len(start) == START.size else (b"", 0)
        flag, length = word >> LENGTH_BITS, word & (2**LENGTH_BITS - 1)
        if magic != MAGIC or flag not in ((MIDDLE, LAST) if parts else (WHOLE, FIRST)):
            return ()
        parts.append((position + START.size, length))
        position += START.size + length + -length % ALIGNMENT
    return tuple(parts)


def _find_start(descriptor: int, position: int, size: int) -> int:
    """Return the first position from here on with a part that begins a record; the file's size if none does.

    Args:
        descriptor: The file's descriptor.
        position: A multiple of 4.
        size: The file's size.
    """
    for block_at in range(position, size, BLOCK_BYTES):
        block = os.pread(descriptor, BLOCK_BYTES + START.size, block_at)
        found = block.find(MAGIC)
        while 0 <= found < BLOCK_BYTES:
            word = block[found + len(MAGIC) : found + START.size]
            if found % ALIGNMENT == 0 and int.from_bytes(word, "little") >> LENGTH_BITS in (WHOLE, FIRST):
                return block_at + found
            found = block.find(MAGIC, found + 1)
    return size
