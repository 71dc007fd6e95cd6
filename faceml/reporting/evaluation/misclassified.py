"""The images that a network is surest of and wrong about."""

import numpy as np
import pyarrow as pa

from faceml.datasets import EXPRESSIONS, FaceDataset
from faceml.reporting.extraction.landmark_sheet import Tile


def confident_mistakes(predictions: pa.Table, most: int) -> list[int]:
    """Return the rows of images that are named wrong, the surest first.

    Args:
        predictions: `Predictions.table`.
        most: Rows returned.
    """
    said = predictions["predicted"].to_numpy()
    wrong = np.flatnonzero(said != predictions["label"].to_numpy())
    confidence = confidences(predictions)[wrong]
    return [int(row) for row in wrong[np.argsort(-confidence, kind="stable")][:most]]


def mistake_tiles(predictions: pa.Table, faces: FaceDataset, most: int) -> list[Tile]:
    """Return pictures of them as the network sees them, with what they are and what it says.

    Args:
        predictions: Of all `faces`, in their order.
        faces: The images.
        most: Pictures returned.

    Raises:
        StoppedError: A file is no longer what was extracted; names it.
    """
    labels, said = (predictions[name].to_numpy() for name in ("label", "predicted"))
    return [
        Tile(
            np.ascontiguousarray(faces.square(row).permute(1, 2, 0).numpy()),
            f"{EXPRESSIONS[labels[row]]} / {EXPRESSIONS[said[row]]}",
        )
        for row in confident_mistakes(predictions, most)
    ]


def confidences(predictions: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return the probability of what is named, of shape (N,)."""
    surest: np.ndarray[tuple[int], np.dtype[np.float32]] = probabilities_of(predictions).max(axis=1)
    return surest


def probabilities_of(predictions: pa.Table) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return all probabilities, of shape (N, E)."""
    flat = predictions["probabilities"].combine_chunks().flatten().to_numpy()
    found: np.ndarray[tuple[int, int], np.dtype[np.float32]] = flat.reshape(predictions.num_rows, -1)
    return found
