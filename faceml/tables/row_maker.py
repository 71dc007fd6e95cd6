"""What makers of rows and the process that runs them say to each other; importing no more than that needs."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from faceml.storage import StoredFile
from faceml.tables.schema import Status

Row = dict[str, Any]
"""One image's columns of a table; those without a value are left out."""


class RowMaker(Protocol):
    """Makes rows in two steps: each image is looked at by itself, then many become rows together."""

    @property
    def decode_s(self) -> float:
        """Seconds spent on decoding so far."""

    @property
    def detect_s(self) -> float:
        """Seconds spent in the detector, and in a network, so far."""

    def look(self, file: StoredFile, data: bytes | Status) -> Any:
        """Look at an image, given its bytes or why there are none; this is where native code may crash."""

    def rows(self, seen: Sequence[Any]) -> list[Row]:
        """Return the rows of images that were looked at, in their order."""


class RowSettings(Protocol):
    """What a process needs to know to make rows; it is sent there."""

    @property
    def root(self) -> str:
        """Folder of the images, a path or URI."""

    @property
    def follow_links(self) -> bool:
        """Whether symbolic links may lead out of it."""

    @property
    def max_bytes(self) -> int:
        """Most of one file."""

    @property
    def timeout_s(self) -> float:
        """Longest time that one image may take."""

    def open(self) -> AbstractContextManager[RowMaker]:
        """Open what makes the rows, for the length of a block; in the process that does so."""


@dataclass(frozen=True)
class RowsWanted:
    """Make rows of these images, and send so many at a time: each message wakes up the other process."""

    files: Sequence[StoredFile]
    rows_per_message: int


@dataclass(frozen=True)
class RowsMade:
    """Rows, and the seconds that their images took in decoding and in the detector."""

    rows: list[Row]
    decode_s: float
    detect_s: float


@dataclass(frozen=True)
class Failed:
    """The process cannot go on, for a reason that is not one image's."""

    message: str


def row_without_image(file: StoredFile, status: Status) -> Row:
    """Return the row of a file of which nothing is known but its listing and what became of it."""
    folder, slash, _ = file.path.partition("/")
    return {
        "image_id": file.path,
        "folder": folder if slash else "",  # the label or the person; none for an image in the root itself
        "status": status,
        "file_bytes": file.num_bytes,
        "modified_ns": file.modified_ns,
    }
