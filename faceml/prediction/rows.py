"""Predictions as rows of a table, made in a process that an image may crash."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from faceml.images import DecodeLimits
from faceml.landmarks.rows import Row, row_without_image
from faceml.prediction.prediction_files import prediction_row
from faceml.prediction.predictor import FacePredictor, SeenImage, load_predictor
from faceml.schema import Status
from faceml.storage import StoredFile


class PredictionRows:
    """Make rows of predictions.

    Args:
        predictor: An opened one.
    """

    def __init__(self, predictor: FacePredictor) -> None:
        self._predictor = predictor

    @property
    def decode_s(self) -> float:
        """Seconds spent on decoding so far."""
        return self._predictor.decode_s

    @property
    def detect_s(self) -> float:
        """Seconds spent in the detector and the network so far."""
        return self._predictor.detect_s

    def look(self, file: StoredFile, data: bytes | Status) -> tuple[Row, SeenImage]:
        """Find the faces of an image, given its bytes or why there are none."""
        row = row_without_image(file, "ok")
        if isinstance(data, bytes):
            row["content_sha256"] = hashlib.sha256(data).digest()
        return row, self._predictor.look(file.path, data)

    def rows(self, seen: Sequence[tuple[Row, SeenImage]]) -> list[Row]:
        """Return the rows of images that were looked at, in their order."""
        predictions = self._predictor.tell([image for _, image in seen])
        return [
            row | prediction_row(prediction) for (row, _), prediction in zip(seen, predictions, strict=True)
        ]


@dataclass(frozen=True)
class PredictionSettings:
    """What a process needs to know to predict, see `faceml.landmarks.rows.RowSettings`.

    Attributes:
        root: Folder of the images, a path or URI.
        model: Place of a `best_model.pt`.
        finds_faces: Look for faces; otherwise each image is taken for one face, whole.
        max_faces: Most faces looked for in an image.
        min_detection_confidence: Score from 0 to 1 below which there is no face.
        landmarker: A verified `face_landmarker.task`, if faces are looked for.
        batch_size: Faces that the network sees at once.
        device: Of the network.
        follow_links: Whether symbolic links may lead out of the folder.
        max_bytes: Of one file.
        timeout_s: Longest time that one image may take.
    """

    root: str
    model: str
    finds_faces: bool = True
    max_faces: int = 10
    min_detection_confidence: float = 0.5
    landmarker: Path | None = None
    batch_size: int = 32
    device: str = "cpu"
    follow_links: bool = False
    max_bytes: int = DecodeLimits().max_bytes
    timeout_s: float = 30.0

    @contextmanager
    def open(self) -> Iterator[PredictionRows]:
        """Open the detector and the network."""
        torch.set_num_threads(1)  # there is one of these processes for each core
        yield PredictionRows(
            load_predictor(
                self.model,
                finds_faces=self.finds_faces,
                max_faces=self.max_faces,
                min_detection_confidence=self.min_detection_confidence,
                landmarker=self.landmarker,
                batch_size=self.batch_size,
                device=self.device,
            )
        )
