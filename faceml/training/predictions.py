"""What a network says of each image, as a Parquet table."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from faceml.atomic import AtomicPath
from faceml.datasets.face_dataset import FaceSample
from faceml.models.multitask import FaceOutputs


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
                    "predicted": pa.array(outputs.logits.argmax(dim=1).cpu().numpy(), pa.int8()),
                    "probabilities": _lists(probabilities),
                    "landmarks": _lists(outputs.landmarks.flatten(start_dim=1)),
                }
            )
        )

    def write(self, file: Path) -> None:
        """Write one row for each image: `image_id`, `label`, `predicted`, `probabilities`, `landmarks`."""
        with AtomicPath(file) as partial:
            pq.write_table(pa.Table.from_batches(self._batches), partial, compression="zstd")


def _lists(values: Tensor) -> pa.Array:
    """Return the rows of a tensor of shape (B, K) as fixed-size lists of float32."""
    flat = pa.array(values.float().cpu().numpy().ravel(), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
