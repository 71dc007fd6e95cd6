"""Predictions as rows of a table, made in a process that an image may crash."""

import hashlib
from collections.abc import Sequence

from faceml.prediction.prediction_files import prediction_row
from faceml.prediction.predictor import FacePredictor, SeenImage
from faceml.storage import StoredFile
from faceml.tables import Row, Status, row_without_image
from faceml.training import translate_full_gpu

TAKES_LESS = "Lower batch_size, or raise workers.gpus_each, so that fewer processes share a GPU."


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
        """Return the rows of images that were looked at, in their order.

        Raises:
            StoppedError: The GPU has no memory for them.
        """
        with translate_full_gpu(TAKES_LESS):
            predictions = self._predictor.tell([image for _, image in seen])
        return [
            row | prediction_row(prediction) for (row, _), prediction in zip(seen, predictions, strict=True)
        ]
