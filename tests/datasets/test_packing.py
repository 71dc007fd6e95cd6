"""A batch as one tensor."""

import pytest
import torch
from torch.utils.data import default_collate

from faceml.datasets.face_dataset import FaceSample
from faceml.datasets.packing import pack, unpack


@pytest.mark.parametrize(("number", "num_landmarks", "side"), [(1, 5, 32), (7, 10, 33), (32, 5, 48)])
def test_unpack__gives_back_what_was_packed(number: int, num_landmarks: int, side: int) -> None:
    generator = torch.Generator().manual_seed(number)
    faces = [
        FaceSample(
            torch.randint(0, 256, (3, side, side), dtype=torch.uint8, generator=generator),
            torch.tensor(2**40 + each),
            torch.rand(num_landmarks, 2, generator=generator),
            torch.tensor(each % 2 == 0),
            torch.tensor(2**40 - each),
        )
        for each in range(number)
    ]
    faces[0].landmarks[0, 0] = float("nan")
    packed = pack(faces)
    assert packed.shape == (number * (3 * side * side + 2 * 8 + num_landmarks * 8 + 1),)
    found, expected = unpack(packed, number, num_landmarks, side), default_collate(faces)
    for name in FaceSample._fields:
        torch.testing.assert_close(
            getattr(found, name), getattr(expected, name), rtol=0, atol=0, equal_nan=True
        )
    assert found.image.untyped_storage().data_ptr() == packed.untyped_storage().data_ptr(), "no copy"
