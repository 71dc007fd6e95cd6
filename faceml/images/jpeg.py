"""Structure of JPEG files: the frame's size, the end marker, and damage that libjpeg reports.

Markers are read as libjpeg reads them, so that a forged header cannot declare another size than the one that
is decoded.
"""

import re
from collections.abc import Iterable, Iterator

JPEG_START = b"\xff\xd8"
# Any number of FF may precede a marker; stuffed bytes are none (ITU T.81, B.1.1.2). TEM and the restarts have
# no length and no content (table B.1).
MARKER = re.compile(rb"\xff+([^\x00\x01\xff\xd0-\xd7])", re.DOTALL)
START, END, START_OF_SCAN = b"\xd8", b"\xd9", b"\xda"
# Start-of-frame markers of all codings; DHT, JPG and DAC lie in their range (table B.1).
STARTS_OF_FRAME = frozenset(bytes([0xC0 + number]) for number in range(16) if number not in (4, 8, 12))
LENGTH_BYTES = 2

DAMAGE = (b"Corrupt JPEG data", b"Premature end of JPEG file")
"""Warnings of libjpeg about coded data that it cannot read; it fills in pixels and goes on."""
BYTES_BEFORE_END = re.compile(rb"(\d+) extraneous bytes before marker 0xd9")


def frame_size(jpeg: bytes) -> tuple[int, int] | None:
    """Return width and height of the frame, None if no frame starts before the first scan."""
    for marker, start in segments(jpeg):
        if marker in STARTS_OF_FRAME and len(jpeg) >= start + 7:  # length, precision, height, width (B.2.2)
            height, width = jpeg[start + 3 : start + 5], jpeg[start + 5 : start + 7]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
    return None


def reaches_end_marker(jpeg: bytes) -> bool:
    """Return whether an end marker follows the start of the first scan.

    In coded data FF is always followed by 00 or by a restart marker's number (ITU T.81, B.1.1.5), so a later
    end marker is not image data.
    """
    scan = next((start for marker, start in segments(jpeg) if marker == START_OF_SCAN), None)
    return scan is not None and jpeg.find(b"\xff" + END, scan) >= 0


def segments(jpeg: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the number of each marker up to the first scan, and the offset of its length.

    Segments are skipped by their length, because a thumbnail in one has markers of its own.
    """
    position = len(JPEG_START)
    while (marker := MARKER.search(jpeg, position)) and marker[1] not in (START, END):
        yield marker[1], marker.end()
        if marker[1] == START_OF_SCAN:
            return
        length = int.from_bytes(jpeg[marker.end() : marker.end() + LENGTH_BYTES], "big")
        position = marker.end() + max(length, LENGTH_BYTES)  # libjpeg reads a shorter length as none


def is_damaged(jpeg: bytes, messages: Iterable[bytes]) -> bool:
    """Return whether libjpeg reported damage in coded data while it decoded an image.

    Zeros between the coded data and the end marker, with which cameras pad, are no damage.

    Args:
        jpeg: The encoded image.
        messages: Lines that libjpeg wrote.
    """
    return any(_is_damage(jpeg, line) for line in messages if any(text in line for text in DAMAGE))


def _is_damage(jpeg: bytes, line: bytes) -> bool:
    padding = BYTES_BEFORE_END.search(line)
    return padding is None or bytes(int(padding[1])) + b"\xff" + END not in jpeg
