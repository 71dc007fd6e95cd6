"""Where a training gets its batches from, whatever feeds it."""

import time
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader

from faceml.datasets.face_dataset import FaceDataset, FaceSample
from faceml.datasets.packing import pack, unpack


class EpochSampler(Protocol):
    """One worker's draws of every epoch, as positions in a data set."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose draws come next."""
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
        """Choose the epoch whose batches come next."""
        ...

    def __len__(self) -> int:
        """Return the number of batches of an epoch, the same on all workers."""
        ...

    def __iter__(self) -> Iterator[FaceSample]:
        """Yield the batches of the epoch."""
        ...


class WatchedBatches:
    """Pass batches on, and keep count of them.

    Args:
        batches: Of one worker.

    Attributes:
        images: Passed on so far.
        waited_s: Seconds until they were there, so far; those in which this process made them count too.
    """

    def __init__(self, batches: EpochBatches) -> None:
        self._batches = batches
        self.images = 0
        self.waited_s = 0.0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches come next."""
        self._batches.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[FaceSample]:
        asked_s = time.perf_counter()
        for batch in self._batches:
            self.waited_s += time.perf_counter() - asked_s
            self.images += len(batch.label)
            yield batch
            asked_s = time.perf_counter()


class SampledBatches:
    """Draw faces of a data set by a sampler; those that fill no batch at an epoch's end are left out.

    Args:
        faces: The data set.
        sampler: This worker's.
        batch_size: Faces of a batch.
        loader_processes: That decode; with 0 this process does.
        pin_memory: Whether batches go to a GPU.
    """

    def __init__(
        self,
        faces: FaceDataset,
        sampler: EpochSampler,
        batch_size: int,
        loader_processes: int = 0,
        *,
        pin_memory: bool = False,
    ) -> None:
        self.faces = faces
        self._sampler = sampler
        self._batch_size = batch_size
        # Processes that live on take no number from the global generator at an epoch's start, and those of a
        # resumed training must not either: views would be others. The loader draws from its own.
        self._loader: DataLoader[FaceSample] = DataLoader(
            faces,
            batch_size,
            sampler=sampler,
            collate_fn=pack,
            num_workers=loader_processes,
            persistent_workers=loader_processes > 0,
            generator=torch.Generator(),
            pin_memory=pin_memory,
            drop_last=True,  # batch statistics of a last, nearly empty batch would be noise
        )

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose draws come next."""
        self._sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[FaceSample]:
        num_landmarks, image_size = self.faces.landmarks.shape[1], self.faces.preprocessing.image_size
        packed_batches: Iterator[Any] = iter(self._loader)
        for packed in packed_batches:
            yield unpack(packed, self._batch_size, num_landmarks, image_size)
