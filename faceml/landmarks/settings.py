"""Settings of an extraction, as they are sent to the processes that make its rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from faceml.landmarks.training_copy import EmbedOptions
from faceml.tables import RowMaker


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
