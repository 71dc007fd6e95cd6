"""Predictions of all images as a Parquet table, and embeddings of a random sample."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from faceml.datasets import FaceDataset, FaceSample
from faceml.models import FaceOutputs
from faceml.storage import atomic_file
from faceml.tables import FACE
from faceml.tasks import Tasks

ROWS_AT_ONCE = 8192
"""Rows that are written to the temporary file at once."""


class Predictions:
    """Collect predictions batch by batch in a temporary file, which is mapped into memory at the end.

    Args:
        faces: The data set.
        tasks: What the network predicts, by name.
    """

    def __init__(self, faces: FaceDataset, tasks: Tasks) -> None:
        self._faces = faces
        self._tasks = tasks
        self._file = TemporaryFile()  # noqa: SIM115 - removed with this object, or the process
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._waiting: list[pa.RecordBatch] = []

    def add(self, batch: FaceSample, outputs: FaceOutputs) -> None:
        """Add the predictions of a batch.

        Args:
            batch: B faces.
            outputs: The network's outputs.
        """
        positions = batch.position.cpu().numpy()
        image_ids, numbers = self._faces.image_ids, self._faces.numbers
        columns = {
            "image_id": pa.array([image_ids[position] for position in positions.tolist()], pa.string()),
            **({FACE: pa.array(numbers[positions], pa.int16())} if numbers is not None else {}),
            "has_landmarks": pa.array(self._faces.has_landmarks[positions]),
            "brightness": pa.array(_brightness(batch.image).cpu().numpy(), pa.float32()),
        }
        for name, task in self._tasks.items():
            columns |= task.prediction_columns(outputs.tasks[name], batch.targets[name])
        self._waiting.append(pa.record_batch(columns))
        if sum(map(len, self._waiting)) >= ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        """Append the waiting batches to the file as one."""
        rows = pa.Table.from_batches(self._waiting).combine_chunks()
        self._waiting = []
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._file, rows.schema)
        self._writer.write_table(rows)

    @cached_property
    def table(self) -> pa.Table:
        """Table with a row for each image, or for each face of a table of all faces, after the last batch.

        Its columns are `image_id`, the number `face` if the table has all faces, `has_landmarks`,
        `brightness` from 0 to 1, and those of the tasks, such as `label`, `predicted` and `probabilities`;
        see `Task.prediction_columns`.
        """
        self._flush()
        assert self._writer is not None, "the waiting batches have been written"
        self._writer.close()
        return pa.ipc.open_file(pa.py_buffer(np.memmap(self._file, mode="r"))).read_all()

    def write(self, file: Path) -> None:
        """Write the table as a Parquet file."""
        with atomic_file(file) as partial:
            pq.write_table(self.table, partial, compression="zstd")


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of K images.

    Attributes:
        vectors: Embeddings, float32 of shape (K, D).
        labels: True classes, int64 of shape (K,).
    """

    vectors: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


class EmbeddingSample:
    """Collect the embeddings of a random sample of the images whose class is known.

    Args:
        labels: True class of each image, by position in the data set; -1 where it is unknown.
        most: Number of sampled images, at most.
        seed: Seed of the sample.
    """

    def __init__(self, labels: npt.NDArray[np.int64], most: int, seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(labels))
        self._labels = labels
        self._kept = np.zeros(len(labels), dtype=bool)
        self._kept[order[labels[order] >= 0][:most]] = True
        self._vectors: list[npt.NDArray[np.float32]] = []
        self._positions: list[npt.NDArray[np.int64]] = []

    def add(self, batch: FaceSample, outputs: FaceOutputs) -> None:
        """Add the sampled images of a batch."""
        positions = batch.position.cpu().numpy()
        kept = self._kept[positions]
        self._vectors.append(outputs.embedding.float().cpu().numpy()[kept])
        self._positions.append(positions[kept])

    @property
    def embeddings(self) -> Embeddings:
        """Embeddings of the batches so far, of which there must be one."""
        return Embeddings(np.concatenate(self._vectors), self._labels[np.concatenate(self._positions)])


LUMA = (0.299, 0.587, 0.114)
"""Luma weights of red, green and blue (ITU-R BT.601)."""


def _brightness(images: Tensor) -> Tensor:
    """Return the mean luma of uint8 images of shape (B, 3, S, S), from 0 to 1, of shape (B,)."""
    return images.float().mean(dim=(2, 3)) @ torch.tensor(LUMA, device=images.device) / 255
