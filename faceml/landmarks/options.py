"""Options of the detector and of an extraction, sent to the processes that extract.

Heavy libraries are imported only where a detector is opened.
"""

import importlib.metadata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from faceml.config import (
    DetectedFaces,
    EmbedConfig,
    Engine,
    ExtractConfig,
    LandmarkerConfig,
    WholeFaces,
    require_engine,
)
from faceml.extraction import RowExtractor
from faceml.images import DecodeLimits
from faceml.landmarks.model_bundle import BUNDLE_SHA256, find_model_bundle
from faceml.landmarks.training_copy import EmbedOptions
from faceml.storage import Places

if TYPE_CHECKING:
    from faceml.landmarks.detector import LandmarkDetector
    from faceml.landmarks.tiled_detector import TiledDetector

PACKAGES: dict[Engine, str] = {"mediapipe": "mediapipe", "litert": "ai-edge-litert"}
LEAST_SEARCHED = 5
"""Least number of faces that the detector searches for; further ones cost nothing where there is one face."""

MOST_SEARCHED = 100
"""Number of faces that the detector searches for where all are wanted; its network sees 128×128 px."""


@dataclass(frozen=True)
class DetectorOptions:
    """Options of the landmark detector.

    Attributes:
        model_path: A `face_landmarker.task`; None searches for it in the process that opens the detector.
        max_faces: Most faces detected in an image; 0 detects all.
        min_detection_confidence: Score from 0 to 1 below which a face is not reported.
        zoom_levels: 1 detects in the whole image; each further level also in its parts, for smaller faces.
        second_look: Search again, in other ways, where no face is found.
        confirm: Reject detected faces that are not plausible.
        engine: Program that runs the model's networks.
    """

    model_path: Path | None = None
    max_faces: int = 1
    min_detection_confidence: float = 0.5
    zoom_levels: int = 1
    second_look: bool = False
    confirm: bool = False
    engine: Engine = "mediapipe"

    def create_detector(self) -> "TiledDetector":
        """Create a detector that is not open yet.

        Raises:
            ConfigError: The landmark model is missing or is another file.
        """
        from faceml.landmarks.confirmed_detector import ConfirmedDetector
        from faceml.landmarks.tiled_detector import TiledDetector

        bundle = find_model_bundle(self.model_path)
        # The faces with the highest scores are found, the largest of which is kept.
        searched = max(self.max_faces, LEAST_SEARCHED) if self.max_faces else MOST_SEARCHED
        detector = self._engine()(bundle, searched, self.min_detection_confidence)
        if self.confirm:
            detector = ConfirmedDetector(detector)
        return TiledDetector(detector, self.zoom_levels, self.max_faces)

    def _engine(self) -> Callable[[Path, int, float], "LandmarkDetector"]:
        if require_engine(self.engine) == "litert":
            from faceml.landmarks.litert_detector import LiteRtDetector

            return LiteRtDetector
        from faceml.landmarks.mediapipe_detector import MediaPipeDetector

        return MediaPipeDetector


@dataclass(frozen=True)
class ExtractorSettings:
    """Settings of one extraction process.

    Attributes:
        root: Folder of the images, a path or URI, or the folders by the names of their sources.
        detector: Options of the detector.
        follow_links: Whether symbolic links may lead out of the folder.
        max_bytes: Largest file that is read.
        max_pixels: Largest image that is decoded, as declared in its header.
        reduce: Decode large JPEGs at a fraction of their size while the face keeps enough pixels.
        keep_central: Keep the face nearest to the middle of the image instead of the largest.
        all_faces: Extract a row for each face.
        store_mesh: Add the column `mesh`.
        embed: Encoding of the column `image_jpeg`; None leaves it out.
        timeout_s: Longest time from an image's bytes to its row.
    """

    root: Places
    detector: DetectorOptions = DetectorOptions()
    follow_links: bool = False
    max_bytes: int = DecodeLimits.max_bytes
    max_pixels: int = DecodeLimits.max_pixels
    reduce: bool = True
    keep_central: bool = False
    all_faces: bool = False
    store_mesh: bool = False
    embed: EmbedOptions | None = None
    timeout_s: float = 30.0

    @contextmanager
    def open(self) -> Iterator[RowExtractor]:
        """Open the detector."""
        from faceml.landmarks.confirmed_detector import ConfirmedDetector
        from faceml.landmarks.extractor import LandmarkExtractor
        from faceml.landmarks.second_look import SecondLook

        with self.detector.create_detector() as detector:
            part = detector.detector
            yield LandmarkExtractor(
                detector,
                DecodeLimits(self.max_bytes, self.max_pixels),
                second_look=SecondLook(detector) if self.detector.second_look else None,
                confirmed=part if isinstance(part, ConfirmedDetector) else None,
                reduce=self.reduce,
                zoom_levels=self.detector.zoom_levels,
                keep_central=self.keep_central,
                all_faces=self.all_faces,
                store_mesh=self.store_mesh,
                embed=self.embed,
            )


def build_detector_options(config: LandmarkerConfig | DetectedFaces) -> DetectorOptions:
    """Build the detector's options from the section of an extraction or of a prediction."""
    return DetectorOptions(
        model_path=config.model_path,
        max_faces=config.max_faces,
        min_detection_confidence=config.min_detection_confidence,
        zoom_levels=config.zoom_levels,
        second_look=config.second_look,
        confirm=config.confirm,
        engine=config.engine,
    )


def build_face_detection(config: DetectedFaces | WholeFaces) -> DetectorOptions | None:
    """Build the detector's options for a prediction, None if it uses whole images as faces."""
    return build_detector_options(config) if isinstance(config, DetectedFaces) else None


def build_extractor_settings(config: ExtractConfig) -> ExtractorSettings:
    """Build the settings of an extraction's processes."""
    data, landmarker, output = config.data, config.landmarker, config.output
    return ExtractorSettings(
        root=data.root,
        detector=build_detector_options(landmarker),
        follow_links=data.follow_links,
        max_bytes=data.max_bytes,
        max_pixels=data.max_pixels,
        reduce=landmarker.decode == "reduced",
        keep_central=landmarker.keep == "central",
        all_faces=landmarker.max_faces == 0,
        store_mesh=output.store_mesh,
        embed=_build_embed_options(output.embed) if output.embed else None,
        timeout_s=landmarker.timeout_s,
    )


def _build_embed_options(config: EmbedConfig) -> EmbedOptions:
    margin = config.crop.margin if config.crop else None
    return EmbedOptions(config.size, config.quality, margin, config.align)


def detector_metadata(engine: Engine) -> dict[str, str]:
    """Return name, version and model of the detector for a table's metadata."""
    version = importlib.metadata.version(PACKAGES[engine])
    return {"name": engine, "version": version, "model_sha256": BUNDLE_SHA256}
