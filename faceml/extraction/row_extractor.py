"""Interface of row extractors, and the messages between them and the process that starts them.

This module imports little, because it is loaded in every process of an extraction.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from faceml.storage import Places, StoredFile
from faceml.tables import Status

Row = dict[str, Any]
"""Columns of a row of a table; columns without a value are left out."""


class RowExtractor(Protocol):
    """Extracts rows in two steps: detection in one image at a time, then the rows of a batch of images."""

    @property
    def decode_s(self) -> float:
        """Seconds spent on decoding so far."""

    @property
    def detect_s(self) -> float:
        """Seconds spent in the detector, and in a network, so far."""

    def detect(self, file: StoredFile, data: bytes | Status) -> Any:
        """Detect faces in an image, given its bytes or its status; native code may crash here."""

    def compute_rows(self, detections: Sequence[Any]) -> list[list[Row]]:
        """Return the rows of each image, given the results of `detect`, in the same order."""


class RowExtractorSettings(Protocol):
    """Settings of a row extractor, sent to the process in which it runs."""

    @property
    def root(self) -> Places:
        """Folder of the images, a path or URI, or the folders by the names of their sources."""

    @property
    def follow_links(self) -> bool:
        """Whether symbolic links may lead out of it."""

    @property
    def max_bytes(self) -> int:
        """Largest file that is read."""

    @property
    def max_pixels(self) -> int:
        """Largest image that is decoded."""

    @property
    def timeout_s(self) -> float:
        """Longest time for one image."""

    def open(self) -> AbstractContextManager[RowExtractor]:
        """Open the extractor in this process, until the end of the block."""


@dataclass(frozen=True)
class ExtractionRequest:
    """Request for the rows of images, sent in messages of several images to save context switches."""

    files: Sequence[StoredFile]
    images_per_message: int


@dataclass(frozen=True)
class ExtractedRows:
    """The rows of each image, and the seconds that the images took in decoding and in the detector."""

    rows: list[list[Row]]
    decode_s: float
    detect_s: float


@dataclass(frozen=True)
class ExtractionFailure:
    """The process cannot continue, for a reason that does not depend on the image."""

    message: str


def row_without_image(file: StoredFile, status: Status) -> Row:
    """Return a row with the columns of the listing and a status; `ShardWriter` adds where the image is."""
    return {
        "image_id": file.path,
        "status": status,
        "file_bytes": file.num_bytes,
        "modified_ns": file.modified_ns,
    }
