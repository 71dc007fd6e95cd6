"""What makers of rows and the process that runs them say to each other; importing no more than that needs."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from faceml.schema import Status
from faceml.storage import StoredFile

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
class EmbedOptions:
    """How the training copy of an image is encoded.

    Attributes:
        size: Longest side in px.
        quality: JPEG quality from 1 to 100.
        crop_margin: Cut to the face and so much more on each side, as a fraction of its longer side; None
            keeps the whole image.
        align: Move the face onto ArcFace's template, `size` px wide.
    """

    size: int
    quality: int
    crop_margin: float | None = None
    align: bool = False


@dataclass(frozen=True)
class ExtractorSettings:
    """What one detector process needs to know.

    Attributes:
        root: Folder of the images, a path or URI.
        follow_links: Whether symbolic links may lead out of it.
        model_path: A `face_landmarker.task`; None looks for it where the rows are made.
        max_faces: Most faces looked for in an image.
        min_detection_confidence: Score from 0 to 1 below which there is no face.
        max_bytes: Of one file.
        max_pixels: Of one image, as its header promises them.
        reduce: Decode large JPEGs at a fraction of their size while the face keeps enough pixels.
        store_mesh: Add the column `mesh`.
        embed: Add the column `image_jpeg`, encoded so.
        timeout_s: Longest time that one image may take from its bytes to its row.
    """

    root: str
    model_path: Path | None = None
    follow_links: bool = False
    max_faces: int = 1
    min_detection_confidence: float = 0.5
    max_bytes: int = 64 * 2**20
    max_pixels: int = 64 * 10**6
    reduce: bool = True
    store_mesh: bool = False
    embed: EmbedOptions | None = None
    timeout_s: float = 30.0

    @contextmanager
    def open(self) -> Iterator[RowMaker]:
        """Open the detector."""
        from faceml.images import DecodeLimits
        from faceml.landmarks.extractor import LandmarkExtractor
        from faceml.landmarks.mediapipe_detector import MediaPipeDetector
        from faceml.landmarks.model_bundle import find_model_bundle

        bundle = find_model_bundle(self.model_path)
        with MediaPipeDetector(bundle, self.max_faces, self.min_detection_confidence) as detector:
            yield LandmarkExtractor(
                detector,
                DecodeLimits(self.max_bytes, self.max_pixels),
                reduce=self.reduce,
                store_mesh=self.store_mesh,
                embed=self.embed,
            )


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
