"""What a network says of each image, as a Parquet table, and the embeddings of a sample of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from faceml.datasets import FaceSample
from faceml.models import FaceOutputs
from faceml.storage import atomic_file


class Predictions:
    """Gather predictions batch by batch.

    Args:
        image_ids: Of the faces, by their position.
    """

    def __init__(self, image_ids: Sequence[str]) -> None:
        self._image_ids = image_ids
        self._batches: list[pa.RecordBatch] = []

    def add(self, batch: FaceSample, outputs: FaceOutputs) -> None:
        """Add a batch.

        Args:
            batch: B faces.
            outputs: Of the network, logits (B, E) and landmarks (B, L, 2).
        """
        probabilities = outputs.logits.float().softmax(dim=1)
        self._batches.append(
            pa.record_batch(
                {
                    "image_id": [self._image_ids[position] for position in batch.position.tolist()],
                    "label": pa.array(batch.label.cpu().numpy(), pa.int8()),
                    "has_landmarks": pa.array(batch.has_landmarks.cpu().numpy()),
                    "predicted": pa.array(outputs.logits.argmax(dim=1).cpu().numpy(), pa.int8()),
                    "brightness": pa.array(_brightness(batch.image).cpu().numpy(), pa.float32()),
                    "probabilities": _lists(probabilities),
                    "landmarks": _lists(outputs.landmarks.flatten(start_dim=1)),
                }
            )
        )

    @property
    def table(self) -> pa.Table:
        """One row for each image.

        Columns `image_id`, `label`, `has_landmarks`, `predicted`, `brightness` from 0 to 1, `probabilities`,
        `landmarks`.
        """
        return pa.Table.from_batches(self._batches)

    def write(self, file: Path) -> None:
        """Write the table."""
        with atomic_file(file) as partial:
            pq.write_table(self.table, partial, compression="zstd")


@dataclass(frozen=True)
class Embeddings:
    """Of some images.

    Attributes:
        vectors: float32 of shape (K, D).
        labels: int64 of shape (K,), true expressions.
    """

    vectors: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


class EmbeddingSample:
    """Keep the embeddings of a sample of the images.

    Args:
        total: Images in all.
        most: Images kept.
        seed: Of the sample.
    """

    def __init__(self, total: int, most: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._kept = np.zeros(total, dtype=bool)
        self._kept[rng.permutation(total)[:most]] = True
        self._vectors: list[npt.NDArray[np.float32]] = []
        self._labels: list[npt.NDArray[np.int64]] = []

    def add(self, batch: FaceSample, outputs: FaceOutputs) -> None:
        """Add what of a batch belongs to the sample."""
        kept = self._kept[batch.position.cpu().numpy()]
        self._vectors.append(outputs.embedding.float().cpu().numpy()[kept])
        self._labels.append(batch.label.cpu().numpy()[kept])

    @property
    def embeddings(self) -> Embeddings:
        """Those that were seen so far, at least one batch."""
        return Embeddings(np.concatenate(self._vectors), np.concatenate(self._labels))


LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""


def _brightness(images: Tensor) -> Tensor:
    """Return the mean luma of uint8 images of shape (B, 3, S, S), from 0 to 1, of shape (B,)."""
    return images.float().mean(dim=(2, 3)) @ torch.tensor(LUMA, device=images.device) / 255


def _lists(values: Tensor) -> pa.Array:
    """Return the rows of a tensor of shape (B, K) as fixed-size lists of float32."""
    flat = pa.array(values.float().cpu().numpy().ravel(), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
