"""Most confident misclassifications of an evaluation, and the predicted probabilities."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from faceml.datasets import EXPRESSIONS, FaceDataset
from faceml.reporting.extraction.landmark_sheet import Tile


def misclassified_tiles(predictions: pa.Table, faces: FaceDataset, most: int) -> list[Tile]:
    """Return misclassified images with true and predicted expression, the most confident first.

    Args:
        predictions: `Predictions.table`, of all `faces` in their order.
        faces: The images.
        most: Maximum number of tiles.

    Raises:
        StoppedError: A file has changed since its extraction; names the file.
    """
    labels, predicted = (predictions[name].to_numpy() for name in ("label", "predicted"))
    return [
        Tile(
            np.ascontiguousarray(faces.square(row).permute(1, 2, 0).numpy()),
            f"{EXPRESSIONS[labels[row]]} / {EXPRESSIONS[predicted[row]]}",
        )
        for row in most_confident_errors(predictions, most)
    ]


def most_confident_errors(predictions: pa.Table, most: int) -> list[int]:
    """Return the rows of misclassified images, the most confident first.

    Args:
        predictions: `Predictions.table`.
        most: Maximum number of rows.
    """
    wrong = np.flatnonzero(predictions["predicted"].to_numpy() != predictions["label"].to_numpy())
    confidence = predicted_probabilities(predictions).max(axis=1)[wrong]
    return [int(row) for row in wrong[np.argsort(-confidence, kind="stable")][:most]]


def predicted_probabilities(predictions: pa.Table) -> npt.NDArray[np.float32]:
    """Return the probabilities of all classes, float32 of shape (N, E)."""
    flat: npt.NDArray[np.float32] = predictions["probabilities"].combine_chunks().flatten().to_numpy()
    return flat.reshape(predictions.num_rows, -1)
