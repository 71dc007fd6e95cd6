"""Predictions of all images as a Parquet table, and embeddings of a random sample."""

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
    """Collect predictions batch by batch.

    Args:
        image_ids: Names of the images, by position in the data set.
    """

    def __init__(self, image_ids: Sequence[str]) -> None:
        self._image_ids = image_ids
        self._batches: list[pa.RecordBatch] = []

    def add(self, batch: FaceSample, outputs: FaceOutputs) -> None:
        """Add the predictions of a batch.

        Args:
            batch: B faces.
            outputs: The network's outputs, with logits (B, E) and landmarks (B, L, 2).
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
        """Table with a row for each image.

        Its columns are `image_id`, `label`, `has_landmarks`, `predicted`, `brightness` from 0 to 1,
        `probabilities` and `landmarks`.
        """
        return pa.Table.from_batches(self._batches)

    def write(self, file: Path) -> None:
        """Write the table as a Parquet file."""
        with atomic_file(file) as partial:
            pq.write_table(self.table, partial, compression="zstd")


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of K images.

    Attributes:
        vectors: Embeddings, float32 of shape (K, D).
        labels: True expressions, int64 of shape (K,).
    """

    vectors: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


class EmbeddingSample:
    """Collect the embeddings of a random sample of the images.

    Args:
        total: Number of all images.
        most: Number of sampled images, at most.
        seed: Seed of the sample.
    """

    def __init__(self, total: int, most: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._kept = np.zeros(total, dtype=bool)
        self._kept[rng.permutation(total)[:most]] = True
        self._vectors: list[npt.NDArray[np.float32]] = []
        self._labels: list[npt.NDArray[np.int64]] = []

    def add(self, batch: FaceSample, outputs: FaceOutputs) -> None:
        """Add the sampled images of a batch."""
        kept = self._kept[batch.position.cpu().numpy()]
        self._vectors.append(outputs.embedding.float().cpu().numpy()[kept])
        self._labels.append(batch.label.cpu().numpy()[kept])

    @property
    def embeddings(self) -> Embeddings:
        """Embeddings of the batches so far, of which there must be one."""
        return Embeddings(np.concatenate(self._vectors), np.concatenate(self._labels))


LUMA = (0.299, 0.587, 0.114)
"""Luma weights of red, green and blue (ITU-R BT.601)."""


def _brightness(images: Tensor) -> Tensor:
    """Return the mean luma of uint8 images of shape (B, 3, S, S), from 0 to 1, of shape (B,)."""
    return images.float().mean(dim=(2, 3)) @ torch.tensor(LUMA, device=images.device) / 255


def _lists(values: Tensor) -> pa.Array:
    """Return the rows of a tensor of shape (B, K) as fixed-size lists of float32."""
    flat = pa.array(values.float().cpu().numpy().ravel(), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
