import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from faceml.datasets.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from faceml.errors import StoppedError
from faceml.images.decoding import RgbImage, decode_image, encode_jpeg


def test_fingerprint__is_plain_values_from_which_it_can_be_rebuilt() -> None:
    preprocessing = Preprocessing(64, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    fingerprint = preprocessing.fingerprint()
    assert json.loads(json.dumps(fingerprint)) == fingerprint
    again = Preprocessing(fingerprint["image_size"], tuple(fingerprint["mean"]), tuple(fingerprint["std"]))
    assert again == preprocessing
    assert fingerprint["color_order"] == "rgb"
    assert Preprocessing(65).fingerprint() != Preprocessing(64).fingerprint()


def test_normalize__is_plain_arithmetic() -> None:
    images = torch.randint(
        0, 256, (2, 3, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    found = Preprocessing(7).normalize(images)
    mean, std = (np.array(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), (images.numpy() / 255 - mean) / std, atol=1e-5)


def test_resize__stretches_to_a_square_of_channels_first() -> None:
    image = np.zeros((30, 90, 3), dtype=np.uint8)
    image[:, :30, 0], image[:, 30:60, 1], image[:, 60:, 2] = 200, 150, 100
    resized = Preprocessing(48).resize(image)
    assert (resized.shape, resized.dtype) == ((3, 48, 48), torch.uint8)
    for third, (channel, value) in enumerate(((0, 200), (1, 150), (2, 100))):
        inner = resized[:, :, 16 * third + 4 : 16 * third + 12]
        assert (inner[channel] == value).all()
        assert inner.sum() == inner[channel].sum()


@pytest.mark.parametrize("shape", [(200, 120), (40, 30), (64, 64)])
def test_resize__is_antialiased(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    theirs = np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.abs(Preprocessing(64).resize(image).numpy().astype(int) - theirs).max() <= 2


def face(height: int, width: int) -> RgbImage:
    coarse = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    ("height", "width", "decoded"),
    [
        (400, 520, (100, 130)),
        (399, 520, (200, 260)),
        (199, 520, (199, 520)),
        (200, 200, (100, 100)),
        (90, 60, (90, 60)),
    ],
)
def test_decode__a_jpeg_keeps_the_pixels_that_the_square_needs(
    height: int, width: int, decoded: tuple[int, int]
) -> None:
    data = encode_jpeg(face(height, width), 95)
    image = Preprocessing(100).decode(data)
    assert not isinstance(image, str)
    assert image.shape[:2] == decoded
    whole = decode_image(data)
    assert not isinstance(whole, str)
    square, of_whole = (
        Preprocessing(100).square(data, "a", Path("tables/a")),
        Preprocessing(100).resize(whole),
    )
    assert (square.int() - of_whole.int()).abs().float().mean() < 1.5, "of 255"


def test_square__what_is_no_image_is_named() -> None:
    with pytest.raises(
        StoppedError,
        match=r"^0/a\.jpg: undecodable, but the landmark table tables/a was extracted from a readable image",
    ):
        Preprocessing(32).square(b"text", "0/a.jpg", Path("tables/a"))
