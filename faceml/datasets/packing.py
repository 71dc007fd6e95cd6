"""A batch of faces as one tensor, for its way from the processes that decode to the one that trains.

Every tensor that processes hand over takes a handshake of its own.

Shape letters: B faces, L landmarks, S side of the image, px.
"""

import math

import torch
from torch import Tensor
from torch.utils.data import default_collate

from faceml.datasets.face_dataset import FaceSample


def pack(faces: list[FaceSample]) -> Tensor:
    """Collate faces and return their bytes, a uint8 tensor of one dimension."""
    batch: FaceSample = default_collate(faces)
    ordered = (getattr(batch, name) for name in PACKED)
    return torch.cat([values.flatten().view(torch.uint8) for values in ordered])


def unpack(packed: Tensor, batch_size: int, num_landmarks: int, image_size: int) -> FaceSample:
    """Return the batch as views of what `pack` made of it.

    Args:
        packed: Of B faces.
        batch_size: B.
        num_landmarks: L.
        image_size: S.
    """
    shapes = {"landmarks": (num_landmarks, 2), "image": (3, image_size, image_size)}
    values, start = {}, 0
    for name, dtype in PACKED.items():
        shape = (batch_size, *shapes.get(name, ()))
        end = start + math.prod(shape) * dtype.itemsize
        values[name] = packed[start:end].view(dtype).view(shape)
        start = end
    return FaceSample(**values)


PACKED = {
    "position": torch.int64,
    "label": torch.int64,
    "landmarks": torch.float32,
    "has_landmarks": torch.bool,
    "image": torch.uint8,
}
"""The largest numbers first, so that each tensor starts at a multiple of their size."""
