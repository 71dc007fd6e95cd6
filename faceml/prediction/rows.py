"""Predictions as rows of a table, made in a process that an image may crash."""

import hashlib
from collections.abc import Sequence
from types import TracebackType

import torch

from faceml.landmarks.rows import Row, row_without_image
from faceml.prediction.prediction_files import prediction_row
from faceml.prediction.predictor import FacePredictor, SeenImage
from faceml.schema import Status
from faceml.stopped import StoppedError
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
        """Return the rows of images that were looked at, in their order.

        Raises:
            StoppedError: The GPU has no memory for them.
        """
        with _StoppedByFullGpu():
            predictions = self._predictor.tell([image for _, image in seen])
        return [
            row | prediction_row(prediction) for (row, _), prediction in zip(seen, predictions, strict=True)
        ]


class _StoppedByFullGpu:
    """Raise `StoppedError`, which says what takes less, in place of PyTorch's paragraph on its allocator."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, torch.OutOfMemoryError):
            raise StoppedError(
                "The GPU has no memory for the network. Lower batch_size, or raise workers.gpus_each: fewer "
                "processes share a GPU then."
            ) from error
