"""Stream of training faces with Ray Data, for data sets larger than a node's disk."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray.data
import torch
from ray.data import RandomSeedConfig
from ray.data.collate_fn import NumpyBatchCollateFn
from torch import Tensor

from faceml.config import DataConfig
from faceml.datasets import (
    Columns,
    FaceKey,
    FaceSample,
    ImageFiles,
    LabelledFaces,
    Preprocessing,
    collate_columns,
    crop_margin,
    decode_rows,
    has_all_faces,
    streamed_columns,
    targets_of,
)
from faceml.storage import StorageFolder
from faceml.tables import shard_names
from faceml.training import epoch_seed

ROWS_AT_ONCE = 64
BATCHES_AHEAD = 2


def face_stream(config: DataConfig, keys: Sequence[FaceKey] | None, seed: int) -> ray.data.Dataset:
    """Build the stream of the training split, with shards in another order in each epoch.

    Args:
        config: The training's data.
        keys: Keys of the faces of the training split, sorted; None if every decoded image of the table
            belongs to it.
        seed: Seed of the order.
    """
    table, images = StorageFolder(config.train.table), config.train.images
    columns = streamed_columns(config.train.table, from_copies=images is None)
    is_cut = images is not None and has_all_faces(config.train.table)
    shards = [{"shard": name} for name in shard_names(table)]
    decode = partial(
        decode_rows,
        table=table.uri,
        images=ImageFiles(images, follow_links=config.train.follow_links) if images else None,
        preprocessing=Preprocessing(config.image_size),
        keys=keys,
        margin=crop_margin(config.train.table) if is_cut else None,
    )
    return (
        ray.data.from_items(shards, override_num_blocks=len(shards))
        .randomize_block_order(seed=RandomSeedConfig(seed=seed, reseed_after_execution=True))
        .map_batches(partial(_faces_of_shards, table=table, columns=columns, decode=decode), batch_size=1)
    )


def _faces_of_shards(
    batch: Columns, table: StorageFolder, columns: list[str], decode: Callable[[pa.Table], Columns]
) -> Iterator[Columns]:
    """Yield the faces of shards in batches of `ROWS_AT_ONCE` rows, to bound memory."""
    for shard in batch["shard"].tolist():
        file = pq.ParquetFile(f"{table.path}/{shard}", filesystem=table.filesystem)
        for rows in file.iter_batches(ROWS_AT_ONCE, columns=columns):
            yield decode(pa.Table.from_batches([rows]))


class _Collate(NumpyBatchCollateFn):
    def __init__(self, keys: Sequence[FaceKey]) -> None:
        self._keys = keys

    def __call__(self, batch: Columns) -> dict[str, Tensor]:  # type: ignore[override]
        # Ray moves tensors in mappings to a device, but not those in named tuples.
        image, _, position = collate_columns(batch, self._keys, {})
        return {"image": image, "position": position}


class StreamedBatches:
    """Batches of one worker's share of a stream, drawn at random from a shuffle buffer.

    Args:
        stream: This worker's share.
        faces: The training split.
        batch_size: Faces per batch.
        num_batches: Batches per epoch.
        shuffle_buffer: Rows in the shuffle buffer.
        seed: Seed of the draws, which differ between workers.
        device: This worker's device, to which Ray moves the images.
    """

    def __init__(
        self,
        stream: ray.data.DataIterator,
        faces: LabelledFaces,
        batch_size: int,
        num_batches: int,
        shuffle_buffer: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self._stream = stream
        self._collate = _Collate(faces.keys)
        self._targets = {task: target.to(device) for task, target in faces.targets.items()}
        self._batch_size = batch_size
        self._num_batches = num_batches
        self._shuffle_buffer = shuffle_buffer
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next draws."""
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
        for batch in islice(batches, len(self)):
            position = batch["position"]
            yield FaceSample(batch["image"], targets_of(self._targets, position), position)
