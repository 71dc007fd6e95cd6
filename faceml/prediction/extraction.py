"""Extraction of predictions for a table, in the child processes of workers.

Heavy libraries are imported only where the model is opened.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faceml.config import ConfigError, PredictConfig
from faceml.extraction import Row, RowExtractor, row_without_image
from faceml.images import DecodeLimits
from faceml.landmarks import DetectorOptions, build_face_detection
from faceml.storage import StorageFolder, StoredFile, split_place
from faceml.tables import Status

if TYPE_CHECKING:
    from faceml.prediction.predictor import FacePredictor, PreparedImage

GPU_MEMORY_REMEDY = "Lower batch_size, or raise workers.gpus_each, so that fewer processes share a GPU."


@dataclass(frozen=True)
class PredictionSettings:
    """Settings of one prediction process, see `faceml.extraction.row_extractor.RowExtractorSettings`.

    Attributes:
        root: Folder of the images, a path or URI.
        model: Path or URI of a `best_model.pt`.
        model_sha256: Checksum of that file; a file with another one is refused.
        detector: Options of the face detector; None uses each whole image as one face.
        batch_size: Faces in a batch of the network.
        device: Device of the network.
        follow_links: Whether symbolic links may lead out of the folder.
        max_bytes: Largest file that is read.
        max_pixels: Largest image that is decoded.
        timeout_s: Longest time for one image.
        flip_test: Whether the outputs for each face and its mirror image are averaged.
    """

    root: str
    model: str
    model_sha256: str
    detector: DetectorOptions | None
    batch_size: int = 32
    device: str = "cpu"
    follow_links: bool = False
    max_bytes: int = DecodeLimits.max_bytes
    max_pixels: int = DecodeLimits.max_pixels
    timeout_s: float = 30.0
    flip_test: bool = False

    @contextmanager
    def open(self) -> Iterator[RowExtractor]:
        """Open the detector and the network.

        Raises:
            ConfigError: The model is missing, or is not the one that the table is made with.
        """
        import torch

        from faceml.prediction.loading import open_predictor

        torch.set_num_threads(1)  # one such process runs on each core
        if file_digest(self.model) != self.model_sha256:
            raise ConfigError(
                f"model: {self.model} has changed since this table was begun. Choose another output.table "
                "for another model."
            )
        yield PredictionExtractor(
            open_predictor(self.model, self.detector, self.batch_size, self.device, self.flip_test)
        )


class PredictionExtractor:
    """Extract rows of a table of predictions.

    Args:
        predictor: Opened predictor.
    """

    def __init__(self, predictor: "FacePredictor") -> None:
        self._predictor = predictor

    @property
    def decode_s(self) -> float:
        """Seconds spent on decoding so far."""
        return self._predictor.decode_s

    @property
    def detect_s(self) -> float:
        """Seconds spent in the detector and the network so far."""
        return self._predictor.detect_s

    def detect(self, file: StoredFile, data: bytes | Status) -> "tuple[Row, PreparedImage]":
        """Detect the faces of an image, given its bytes or its status."""
        row = row_without_image(file, "ok")
        if isinstance(data, bytes):
            row["content_sha256"] = hashlib.sha256(data).digest()
        return row, self._predictor.detect(file.path, data)

    def compute_rows(self, detections: "Sequence[tuple[Row, PreparedImage]]") -> list[list[Row]]:
        """Return the row of each image after passing the faces through the network, in the same order.

        Raises:
            StoppedError: The GPU or the machine is out of memory.
        """
        from faceml.models import translate_full_memory

        with translate_full_memory(GPU_MEMORY_REMEDY):
            predictions = self._predictor.predict_prepared([image for _, image in detections])
        return [
            [row | prediction.as_row()] for (row, _), prediction in zip(detections, predictions, strict=True)
        ]


def build_prediction_settings(config: PredictConfig, model: str, model_sha256: str) -> PredictionSettings:
    """Build the settings of the processes that predict a table.

    Args:
        config: Configuration with `data.root`.
        model: Path or URI of the `best_model.pt`.
        model_sha256: Checksum of that file.
    """
    assert config.data.root is not None
    return PredictionSettings(
        root=config.data.root,
        model=model,
        model_sha256=model_sha256,
        detector=build_face_detection(config.faces),
        batch_size=config.batch_size,
        device="cuda" if config.use_gpu else "cpu",
        follow_links=config.data.follow_links,
        timeout_s=config.workers.timeout_s,
        flip_test=config.flip_test,
    )


def file_digest(place: str) -> str:
    """Return the SHA-256 of a file at a path or URI.

    Raises:
        ConfigError: The file does not exist.
    """
    folder, name = split_place(place)
    content = StorageFolder(folder).read(name, follow_links=True)
    if not isinstance(content, bytes):
        raise ConfigError(f"{place}: there is no such file.")
    return hashlib.sha256(content).hexdigest()
