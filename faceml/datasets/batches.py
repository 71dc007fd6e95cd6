"""Batches of faces for training and evaluation.

Shape letters: B faces of a batch, S side of the image, px.
"""

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from faceml.datasets.labelled_faces import FaceSample, LabelledFaces
from faceml.datasets.targets import Target, targets_of
from faceml.errors import StoppedError, translate_errors

LOADER_TIMEOUT_S = 600
"""Longest time that loader processes may take for a batch; PyTorch waits for one that hangs without end."""


class EpochSampler(Protocol):
    """One worker's draws of every epoch, as positions in a data set."""

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next draws."""
        ...

    def __len__(self) -> int:
        """Return the number of draws of an epoch."""
        ...

    def __iter__(self) -> Iterator[int]:
        """Yield the draws of the epoch."""
        ...


class EpochBatches(Protocol):
    """One worker's batches of every epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next batches."""
        ...

    def __len__(self) -> int:
        """Return the number of batches of an epoch, which is the same on all workers."""
        ...

    def __iter__(self) -> Iterator[FaceSample]:
        """Yield the batches of the epoch."""
        ...


class WatchedBatches:
    """Count the images of batches and measure the time spent waiting for them.

    Args:
        batches: The batches of one worker.

    Attributes:
        images: Number of images so far.
        waited_s: Seconds spent waiting for batches so far, including the time of decoding in this process.
    """

    def __init__(self, batches: EpochBatches) -> None:
        self._batches = batches
        self.images = 0
        self.waited_s = 0.0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next batches."""
        self._batches.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[FaceSample]:
        asked_s = time.perf_counter()
        for batch in self._batches:
            self.waited_s += time.perf_counter() - asked_s
            self.images += len(batch.position)
            yield batch
            asked_s = time.perf_counter()


class FaceLoader:
    """Load batches of a data set, in this process or in loader processes.

    Args:
        faces: The data set.
        batch_size: Faces per batch.
        loader_processes: Number of processes that decode; with 0 this process decodes. They are forked, or
            spawned if they read the images from a store, which takes seconds and imports the main module
            again: a script needs `if __name__ == "__main__"`.
        positions: Positions of the faces to load; all in order by default.
        pin_memory: If True, batches are in pinned memory, for copies to a GPU.
        options: Further arguments of PyTorch's `DataLoader`.

    Raises:
        StoppedError: In iterations; a loader process gives no batch for `LOADER_TIMEOUT_S`.
    """

    def __init__(
        self,
        faces: LabelledFaces,
        batch_size: int,
        loader_processes: int = 0,
        positions: Iterable[int] | None = None,
        *,
        pin_memory: bool = False,
        **options: Any,
    ) -> None:
        faces.source.prepare()  # which reads the table, maybe from a store: not in forked processes
        self.faces = faces
        collate: Callable[[Any], Any] = pack if loader_processes else _unchanged
        # In a fork, locks of the store's client that a thread of the parent holds would stay locked forever.
        is_spawned = loader_processes > 0 and not faces.source.is_local
        self._loader: DataLoader[Any] = DataLoader(
            faces,
            batch_size,
            sampler=positions,
            num_workers=loader_processes,
            collate_fn=collate,
            pin_memory=pin_memory,
            timeout=LOADER_TIMEOUT_S if loader_processes else 0,
            worker_init_fn=_keep_inherited,
            multiprocessing_context="spawn" if is_spawned else None,
            **options,
        )

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[FaceSample]:
        with translate_errors(RuntimeError, _translate_timeout):
            for batch in self._loader:
                yield self._unpacked(batch) if isinstance(batch, Tensor) else batch

    def _unpacked(self, packed: Tensor) -> FaceSample:
        images, positions = unpack(packed, self.faces.preprocessing.image_size)
        targets = targets_of(self.faces.targets, positions)
        if packed.is_pinned():  # a copy from pageable memory would wait for all of the GPU's queued work
            targets = {task: Target(*(part.pin_memory() for part in of)) for task, of in targets.items()}
        return FaceSample(images, targets, positions)


class SampledBatches(FaceLoader):
    """Load batches of faces that a sampler draws; an incomplete last batch of an epoch is dropped.

    Args:
        faces: The data set.
        sampler: Draws of this worker.
        batch_size: Faces per batch.
        loader_processes: Number of processes that decode; with 0 this process decodes.
        pin_memory: If True, batches are in pinned memory, for copies to a GPU.
    """

    def __init__(
        self,
        faces: LabelledFaces,
        sampler: EpochSampler,
        batch_size: int,
        loader_processes: int = 0,
        *,
        pin_memory: bool = False,
    ) -> None:
        super().__init__(
            faces,
            batch_size,
            loader_processes,
            sampler,
            pin_memory=pin_memory,
            persistent_workers=loader_processes > 0,
            # The loader draws a seed when its processes start. Drawn from the global generator, it would
            # change the augmentation of a resumed training, whose processes start in a later epoch.
            generator=torch.Generator(),
            drop_last=True,  # batch norm statistics of a nearly empty batch would be noise
        )
        self._sampler = sampler

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next batches."""
        self._sampler.set_epoch(epoch)


def pack(batch: FaceSample) -> Tensor:
    """Return positions and images of a batch as bytes, a uint8 tensor of one dimension.

    Passing a tensor between processes takes a handshake each: one tensor is faster to pass than several.
    Targets are not passed, because every process has them.
    """
    return torch.cat([batch.position.view(torch.uint8), batch.image.flatten()])


def unpack(packed: Tensor, image_size: int) -> tuple[Tensor, Tensor]:
    """Return images and positions that were packed, as views of the packed tensor.

    Args:
        packed: Bytes of B faces.
        image_size: S.
    """
    pixels = 3 * image_size**2
    batch_size = len(packed) // (torch.int64.itemsize + pixels)
    positions, images = torch.split(packed, [batch_size * torch.int64.itemsize, batch_size * pixels])
    return images.view(batch_size, 3, image_size, image_size), positions.view(torch.int64)


def _unchanged(batch: FaceSample) -> FaceSample:
    return batch


def _keep_inherited(process: int) -> None:
    """Keep the garbage collector of a forked process from its parent's objects.

    Destructors of native objects, such as connections, may wait for threads that only the parent has.
    """
    gc.freeze()


def _translate_timeout(error: RuntimeError) -> StoppedError | None:
    if "DataLoader timed out" not in str(error):
        return None
    return StoppedError(
        f"The loader processes gave no batch for {LOADER_TIMEOUT_S} s: one of them hangs, or the storage of "
        "the images gives no answer. Run the same command again, with loader_processes=0 if it happens again."
    )
