"""Stream of training faces with Ray Data, for data sets larger than a node's disk."""

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

from faceml.config import TrainConfig
from faceml.datasets import (
    Columns,
    FaceKey,
    FaceSample,
    ImageFiles,
    LabelledFaces,
    Preprocessing,
    Target,
    collate_columns,
    crop_margin,
    decode_rows,
    has_all_faces,
    streamed_columns,
)
from faceml.storage import StorageFolder
from faceml.tables import shard_names
from faceml.training import build_cached_faces, epoch_seed

ROWS_AT_ONCE = 64
BATCHES_AHEAD = 2


def face_stream(config: TrainConfig, *, is_whole_table: bool) -> ray.data.Dataset:
    """Build the stream of the training split, with shards in another order in each epoch.

    Args:
        config: The training.
        is_whole_table: Whether every decoded image of the table belongs to the training split.
    """
    train, seed = config.data.train, config.seed
    table, images = StorageFolder(train.table), train.images
    columns = streamed_columns(train.table, from_copies=images is None)
    is_cut = images is not None and has_all_faces(train.table)
    shards = [{"shard": name} for name in shard_names(table)]
    decode = partial(
        decode_rows,
        table=table.uri,
        images=ImageFiles(images, follow_links=train.follow_links) if images else None,
        preprocessing=Preprocessing(config.data.image_size),
        margin=crop_margin(train.table) if is_cut else None,
    )
    # Each process opens the keys itself: they may be too many to be sent with each shard.
    keys = None if is_whole_table else partial(_training_keys, config)
    read = partial(_faces_of_shards, table=table, columns=columns, decode=decode, keys=keys)
    return (
        ray.data.from_items(shards, override_num_blocks=len(shards))
        .randomize_block_order(seed=RandomSeedConfig(seed=seed, reseed_after_execution=True))
        .map_batches(read, batch_size=1)
    )


def _training_keys(config: TrainConfig) -> Sequence[FaceKey]:
    """Return the keys of the faces of the training split, which this process opens once."""
    return build_cached_faces(config).train.keys


def _faces_of_shards(
    batch: Columns,
    table: StorageFolder,
    columns: list[str],
    decode: Callable[..., Columns],
    keys: Callable[[], Sequence[FaceKey]] | None,
) -> Iterator[Columns]:
    """Yield the faces of shards in batches of `ROWS_AT_ONCE` rows, to bound memory."""
    of_split = None if keys is None else keys()
    for shard in batch["shard"].tolist():
        file = pq.ParquetFile(f"{table.path}/{shard}", filesystem=table.filesystem)
        for rows in file.iter_batches(ROWS_AT_ONCE, columns=columns):
            yield decode(pa.Table.from_batches([rows]), keys=of_split)


class _Collate(NumpyBatchCollateFn):
    def __init__(self, faces: LabelledFaces) -> None:
        self._faces = faces

    def __call__(self, batch: Columns) -> dict[str, Tensor]:  # type: ignore[override]
        # Ray moves tensors in mappings to a device, but not those in named tuples.
        image, targets, position = collate_columns(batch, self._faces.keys, self._faces.targets)
        parts = {
            f"{name}/{task}": part for task, of in targets.items() for name, part in of._asdict().items()
        }
        return {"image": image, "position": position, **parts}


class StreamedBatches:
    """Batches of one worker's share of a stream, drawn at random from a shuffle buffer.

    Args:
        stream: This worker's share.
        faces: The training split.
        batch_size: Faces per batch.
        num_batches: Batches per epoch.
        shuffle_buffer: Rows in the shuffle buffer.
        seed: Seed of the draws, which differ between workers.
    """

    def __init__(
        self,
        stream: ray.data.DataIterator,
        faces: LabelledFaces,
        batch_size: int,
        num_batches: int,
        shuffle_buffer: int,
        seed: int,
    ) -> None:
        self._stream = stream
        self._collate = _Collate(faces)
        self._tasks = list(faces.targets)
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
            targets = {
                task: Target(*(batch[f"{name}/{task}"] for name in Target._fields)) for task in self._tasks
            }
            yield FaceSample(batch["image"], targets, batch["position"])
