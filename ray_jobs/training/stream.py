"""Training faces that Ray Data reads, shuffles and decodes, for tables that no node's disk holds."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray.data
from ray.data import RandomSeedConfig
from ray.data.collate_fn import NumpyBatchCollateFn
from torch import Tensor

from faceml.config import DataConfig
from faceml.datasets import (
    Columns,
    FaceSample,
    ImageFiles,
    Preprocessing,
    collated,
    decode_rows,
    training_columns,
)
from faceml.storage import StorageFolder
from faceml.tables import COLUMN, shard_names
from faceml.training import epoch_seed

ROWS_AT_ONCE = 64
BATCHES_AHEAD = 2


def face_stream(config: DataConfig, seed: int) -> ray.data.Dataset:
    """Return the training split as a stream, its shards in another order in each epoch.

    Args:
        config: Of the training's data.
        seed: Of the order.
    """
    table, images = StorageFolder(config.train.table), config.train.images
    columns = ["image_id", *training_columns(table.uri, config.num_landmarks, from_copies=images is None)]
    columns += [] if images else [COLUMN]
    shards = [{"shard": name} for name in shard_names(table)]
    decode = partial(
        decode_rows,
        table=table.uri,
        images=ImageFiles(images) if images else None,
        num_landmarks=config.num_landmarks,
        preprocessing=Preprocessing(config.image_size),
    )
    return (
        ray.data.from_items(shards, override_num_blocks=len(shards))
        .randomize_block_order(seed=RandomSeedConfig(seed=seed, reseed_after_execution=True))
        .map_batches(partial(_faces_of_shards, table=table, columns=columns, decode=decode), batch_size=1)
    )


def _faces_of_shards(
    batch: Columns, table: StorageFolder, columns: list[str], decode: Callable[[pa.Table], Columns]
) -> Iterator[Columns]:
    """Yield the faces of shards, a bounded number at a time."""
    for shard in batch["shard"].tolist():
        file = pq.ParquetFile(f"{table.path}/{shard}", filesystem=table.filesystem)
        for rows in file.iter_batches(ROWS_AT_ONCE, columns=columns):
            yield decode(pa.Table.from_batches([rows]))


class _Collate(NumpyBatchCollateFn):
    def __init__(self, image_ids: Sequence[str]) -> None:
        self._image_ids = image_ids

    def __call__(self, batch: Columns) -> dict[str, Tensor]:  # type: ignore[override]
        return collated(batch, self._image_ids)._asdict()  # Ray moves tensors in mappings, in no named tuples


class StreamedBatches:
    """One worker's share of a stream, drawn at random among the rows that are there.

    Args:
        stream: The share.
        image_ids: Of the whole training split, sorted.
        batch_size: Faces of a batch.
        num_batches: Of an epoch.
        shuffle_buffer: Rows among which is drawn.
        seed: Of the draws, which differ between workers.
    """

    def __init__(
        self,
        stream: ray.data.DataIterator,
        image_ids: Sequence[str],
        batch_size: int,
        num_batches: int,
        shuffle_buffer: int,
        seed: int,
    ) -> None:
        self._stream = stream
        self._collate = _Collate(image_ids)
        self._batch_size = batch_size
        self._num_batches = num_batches
        self._shuffle_buffer = shuffle_buffer
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the seed of the next draws."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._num_batches

    def __iter__(self) -> Iterator[FaceSample]:
        batches: Iterable[Any] = self._stream.iter_torch_batches(
            batch_size=self._batch_size,
            prefetch_batches=BATCHES_AHEAD,
            collate_fn=self._collate,
            drop_last=True,
            local_shuffle_buffer_size=self._shuffle_buffer,
            local_shuffle_seed=epoch_seed(self._seed, self._epoch),
        )
        return (FaceSample(**batch) for batch in islice(batches, len(self)))
