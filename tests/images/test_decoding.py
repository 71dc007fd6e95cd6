"""Bytes to pixels: every kind of file that a folder of faces may hold, most of them made by Pillow."""

import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from faceml.images.decoding import (
    DecodedImage,
    RgbImage,
    as_rgb,
    decode_image,
    decode_reduced,
    difference_hash,
    encode_jpeg,
    shrink,
)
from faceml.images.limits import DecodeLimits


def photo(height: int = 48, width: int = 64, seed: int = 0) -> RgbImage:
    """Smooth colours, the same at every size, with a red, a green and a blue part."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def encoded(image: npt.NDArray[Any] | Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def decoded(data: bytes) -> RgbImage:
    image = decode_image(data)
    assert isinstance(image, np.ndarray), image
    assert image.dtype == np.uint8
    return image


def exif_with_thumbnail(thumbnail: bytes) -> bytes:
    """An EXIF block whose second directory points at a JPEG, as cameras write it (tags 0x201 and 0x202)."""
    first = struct.pack("<HI", 0, 14)
    entries = struct.pack("<HHII", 0x201, 4, 1, 44) + struct.pack("<HHII", 0x202, 4, 1, len(thumbnail))
    second = struct.pack("<H", 2) + entries + struct.pack("<I", 0)
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + first + second + thumbnail


def png_with_header(width: int, height: int) -> bytes:
    """A PNG that promises pixels which it does not have."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


JPEGS = {
    "plain": encoded(photo(), "JPEG"),
    "progressive": encoded(photo(), "JPEG", progressive=True),
    "restarts": encoded(photo(), "JPEG", restart_marker_rows=1),
    "thumbnail": encoded(photo(), "JPEG", exif=exif_with_thumbnail(encoded(photo(12, 16), "JPEG"))),
    "comment": encoded(photo(), "JPEG", comment=b"\xff\xd9 an end that is none \xff\xda"),
}


def test_decode_image__an_empty_file() -> None:
    assert decode_image(b"") == "empty_file"


@pytest.mark.parametrize(
    "data", [b"\0", b"not an image\n", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"<svg/>", b"\0" * 5000]
)
def test_decode_image__bytes_that_are_no_image(data: bytes) -> None:
    assert decode_image(data) == "undecodable"


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP", "TIFF"])
def test_decode_image__lossless_pixels_come_out_exactly_in_rgb_order(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decoded(encoded(photo(), kind, **options)), photo())


@pytest.mark.parametrize("name", JPEGS)
def test_decode_image__jpeg_is_as_pillow_decodes_it(name: str) -> None:
    theirs = np.asarray(Image.open(io.BytesIO(JPEGS[name])).convert("RGB")).astype(int)
    assert np.abs(decoded(JPEGS[name]) - theirs).max() <= 3, "decoders may round differently"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP"])
def test_decode_image__one_pixel(kind: str) -> None:
    image = decoded(encoded(np.full((1, 1, 3), (250, 10, 10), dtype=np.uint8), kind))
    assert image.shape == (1, 1, 3)
    assert image[0, 0, 0] > 200 > image[0, 0, 2]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_decode_image__grayscale_has_three_equal_channels(kind: str) -> None:
    gray = photo()[..., 1]
    image = decoded(encoded(gray, kind, **({"quality": 100} if kind == "JPEG" else {})))
    assert image.shape == (48, 64, 3)
    assert np.abs(image - gray[..., None].astype(int)).max() <= (3 if kind == "JPEG" else 0)


def test_decode_image__cmyk_jpeg_has_its_colours() -> None:
    cmyk = Image.fromarray(photo()).convert("CMYK")
    image = decoded(encoded(cmyk, "JPEG", quality=100, subsampling=0))
    assert np.abs(image - photo().astype(int)).mean() < 3


def test_decode_image__16_bit_png_keeps_the_upper_byte() -> None:
    gray = (np.arange(48 * 64, dtype=np.uint16) * 21).reshape(48, 64)
    image = decoded(encoded(Image.fromarray(gray), "PNG"))
    np.testing.assert_allclose(image, np.repeat((gray / 257)[..., None], 3, axis=2), atol=1)


@pytest.mark.parametrize(
    ("values", "dtype"), [(1, np.int32), (257, np.int32), (1 / 255, np.float32), (1, np.float32)]
)
def test_as_rgb__gray_values_of_32_bits_are_scaled_by_their_range(values: float, dtype: type) -> None:
    gray = np.arange(256).reshape(16, 16)
    image = as_rgb(Image.fromarray((gray * values).astype(dtype)))
    np.testing.assert_allclose(image, np.repeat(gray[..., None], 3, axis=2), atol=1)


def test_decode_image__palette_and_transparency_come_out_as_rgb() -> None:
    flat = np.zeros((8, 8, 3), dtype=np.uint8)
    flat[:4], flat[4:] = (255, 0, 0), (0, 0, 255)
    palette = Image.fromarray(flat).convert("P", palette=Image.Palette.ADAPTIVE)
    np.testing.assert_array_equal(decoded(encoded(palette, "PNG")), flat)
    opaque = Image.fromarray(np.dstack([flat, np.full((8, 8), 255, dtype=np.uint8)]))
    np.testing.assert_array_equal(decoded(encoded(opaque, "PNG")), flat)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_decode_image__is_turned_upright_as_exif_says(orientation: int) -> None:
    # EXIF 2.3, table 6: where the 0th row and the 0th column of the stored pixels are seen.
    store: Callable[[RgbImage], RgbImage] = {
        1: lambda seen: seen,
        2: lambda seen: seen[:, ::-1],
        3: lambda seen: seen[::-1, ::-1],
        4: lambda seen: seen[::-1],
        5: lambda seen: seen.transpose(1, 0, 2),
        6: lambda seen: np.rot90(seen, 1),
        7: lambda seen: seen[::-1, ::-1].transpose(1, 0, 2),
        8: lambda seen: np.rot90(seen, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x112] = orientation
    stored = np.ascontiguousarray(store(photo()))
    upright = decoded(encoded(stored, "JPEG", quality=100, subsampling=0, exif=exif))
    assert upright.shape == photo().shape
    assert np.abs(upright - photo().astype(int)).mean() < 3


@pytest.mark.parametrize("name", JPEGS)
def test_decode_image__a_jpeg_cut_anywhere_is_undecodable(name: str) -> None:
    data = JPEGS[name]
    assert not [cut for cut in range(1, len(data)) if decode_image(data[:cut]) != "undecodable"]


def test_decode_image__a_png_cut_anywhere_is_undecodable() -> None:
    data = encoded(photo(), "PNG")
    assert not [cut for cut in range(1, len(data)) if decode_image(data[:cut]) != "undecodable"]


@pytest.mark.parametrize(
    "tail", [b"\0", b"\r\n", b"\xff\xda", b"\xff\xda\xff\xd8\xff", bytes(range(256)) * 40]
)
@pytest.mark.parametrize("data", [*JPEGS.values(), encoded(photo(), "PNG")], ids=[*JPEGS, "png"])
def test_decode_image__bytes_after_the_end_do_not_matter(data: bytes, tail: bytes) -> None:
    """Phones append a video to a photograph, cameras pad to whole blocks."""
    np.testing.assert_array_equal(decoded(data + tail), decoded(data))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "GIF"])
def test_decode_image__what_is_transparent_is_white(kind: str) -> None:
    alpha = np.zeros((48, 64), dtype=np.uint8)
    alpha[:, :32] = 255
    if kind != "GIF":
        alpha[:24, :32] = 128
    hidden = Image.fromarray(np.dstack([photo(), alpha]))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    shown = decoded(encoded(hidden, kind, **options)).astype(int)
    assert (shown[:, 32:] == 255).all()
    assert np.abs(shown[24:, :32] - photo()[24:, :32]).mean() < (12 if kind == "GIF" else 0.01)
    if kind != "GIF":
        mixed = (photo()[:24, :32] * 128.0 + 255 * 127) / 255
        np.testing.assert_allclose(shown[:24, :32], mixed, atol=1)


def test_as_rgb__gray_and_transparent_images_of_pillow() -> None:
    gray = Image.fromarray(photo()[..., 1])
    np.testing.assert_array_equal(as_rgb(gray), np.dstack([photo()[..., 1]] * 3))
    assert (as_rgb(Image.new("LA", (2, 2), (0, 0))) == 255).all()


def test_decode_reduced__an_image_that_an_extraction_with_larger_limits_accepted_is_trusted() -> None:
    data = encoded(Image.new("L", (8100, 8000)), "JPEG")
    assert decode_reduced(data, short_side_px=64) == "too_large"
    found = decode_reduced(data, short_side_px=64, trusted=True)
    assert isinstance(found, DecodedImage)
    assert (found.width, found.height, found.pixels.shape) == (8100, 8000, (1000, 1013, 3))


@pytest.mark.parametrize(
    ("width", "height"), [(999, 1000), (1000, 999), (1001, 1000), (996, 1003), (999, 999)]
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_decode_reduced__a_nearly_square_jpeg_keeps_its_width_and_height(
    width: int, height: int, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    image = decode_reduced(encoded(Image.new("RGB", (width, height)), "JPEG", exif=exif), long_side_px=100)
    assert isinstance(image, DecodedImage)
    assert (image.width, image.height) == ((width, height) if orientation == 1 else (height, width))
    assert max(image.pixels.shape) < 1000 or abs(width - height) == 1


def test_decode_image__a_jpeg_damaged_in_the_middle_is_undecodable_without_a_warning(
    capfd: pytest.CaptureFixture[str],
) -> None:
    rng = np.random.default_rng(0)
    whole, undetected = encoded(photo(240, 320), "JPEG", quality=95), 0
    for _ in range(40):
        start = int(rng.integers(len(whole) // 4, len(whole) - 300))
        data = whole[:start] + rng.integers(0, 256, 200, dtype=np.uint8).tobytes() + whole[start + 200 :]
        undetected += isinstance(decode_image(data), np.ndarray)
    assert undetected <= 8, "codes that end within 8 bytes of the end marker are valid to libjpeg"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "AVIF"])
def test_decode_image__other_formats_damaged_in_the_middle_are_undecodable_without_a_warning(
    kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    options = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    whole = encoded(photo(240, 320), kind, **options)
    middle = len(whole) // 2
    damaged = (
        whole[:middle] + bytes(255 - byte for byte in whole[middle : middle + 100]) + whole[middle + 100 :]
    )
    assert decode_image(damaged) == "undecodable"
    assert capfd.readouterr().err == ""


def test_decode_image__a_jpeg_padded_by_its_camera_is_whole() -> None:
    data = JPEGS["plain"]
    np.testing.assert_array_equal(decoded(data[:-2] + bytes(30) + data[-2:]), decoded(data))


def test_decode_image__the_decoder_has_its_own_limit_in_processes_of_jobs() -> None:
    code = "import sys, ray_jobs; from faceml.images import decode_image; data = sys.stdin.buffer.read(); "
    code += "print(decode_image(data) if isinstance(decode_image(data), str) else 'decoded')"
    for limit, expected in (("100", "undecodable"), (str(48 * 64), "decoded")):
        environment = os.environ | {"OPENCV_IO_MAX_IMAGE_PIXELS": limit}
        command = [sys.executable, "-c", code]
        ended = subprocess.run(
            command, input=JPEGS["plain"], env=environment, check=True, capture_output=True
        )
        assert ended.stdout.decode().strip() == expected


@given(
    start=st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff\xe1", b"\x89PNG"]), data=st.binary(max_size=400)
)
@settings(max_examples=300, deadline=None)
def test_decode_image__never_fails_on_random_bytes(start: bytes, data: bytes) -> None:
    assert isinstance(decode_image(start + data), str)


@given(
    kind=st.sampled_from(["JPEG", "PNG", "BMP", "WEBP", "GIF", "AVIF"]),
    places=st.lists(st.tuples(st.integers(0, 250), st.integers(0, 255)), min_size=1, max_size=6),
)
@settings(max_examples=300, deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_decode_image__never_fails_on_damaged_images(kind: str, places: list[tuple[int, int]]) -> None:
    data = bytearray(encoded(photo(16, 16), kind))
    for place, value in places:
        data[place % len(data)] = value
    result = decode_image(bytes(data))
    assert isinstance(result, np.ndarray) or result in ("undecodable", "too_large")


def test_decode_image__too_many_bytes() -> None:
    data = JPEGS["plain"]
    assert decode_image(data, DecodeLimits(max_bytes=len(data) - 1)) == "too_large"
    assert isinstance(decode_image(data, DecodeLimits(max_bytes=len(data))), np.ndarray)


def test_decode_image__too_many_pixels() -> None:
    data = encoded(photo(48, 64), "PNG")
    assert decode_image(data, DecodeLimits(max_pixels=48 * 64 - 1)) == "too_large"
    assert isinstance(decode_image(data, DecodeLimits(max_pixels=48 * 64)), np.ndarray)


@pytest.mark.parametrize("size", [(10_000, 8_000), (40_000, 25_000), (2**31 - 1, 2**31 - 1)])
def test_decode_image__a_header_that_promises_too_much_is_refused_undecoded(size: tuple[int, int]) -> None:
    assert decode_image(png_with_header(*size)) == "too_large"


@pytest.mark.parametrize(
    ("height", "width", "side", "expected"),
    [(100, 200, 50, (25, 50)), (200, 100, 50, (50, 25)), (50, 50, 50, (50, 50)), (30, 20, 64, (30, 20)),
     (3, 1000, 10, (1, 10))],
)  # fmt: skip
def test_shrink__keeps_the_aspect_and_never_enlarges(
    height: int, width: int, side: int, expected: tuple[int, int]
) -> None:
    assert shrink(photo(height, width), side).shape == (*expected, 3)


def test_shrink__averages_areas() -> None:
    image = photo(60, 80)
    means = image.reshape(15, 4, 20, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(shrink(image, 20), means, atol=0.51)


def test_encode_jpeg__round_trip_keeps_rgb_order() -> None:
    assert np.abs(decoded(encode_jpeg(photo(), 95)) - photo().astype(int)).mean() < 3
    assert len(encode_jpeg(photo(), 30)) < len(encode_jpeg(photo(), 95))


def test_difference_hash__is_the_sign_of_horizontal_differences() -> None:
    """An image of 9×8 even blocks has its thumbnail known exactly."""
    rng = np.random.default_rng(1)
    blocks = rng.permutation(72).reshape(8, 9) * 3
    gray = np.kron(blocks, np.ones((10, 10))).astype(np.uint8)
    bits = "".join("1" if row[i] < row[i + 1] else "0" for row in blocks for i in range(8))
    assert difference_hash(np.dstack([gray] * 3)) == int(bits, 2)


def test_difference_hash__is_stable_under_scaling_and_compression_and_tells_images_apart() -> None:
    def distance(one: RgbImage, other: RgbImage) -> int:
        return (difference_hash(one) ^ difference_hash(other)).bit_count()

    for seed in range(5):
        image = photo(240, 320, seed)
        assert distance(image, shrink(image, 120)) <= 3
        assert distance(image, decoded(encode_jpeg(image, 40))) <= 3
        assert distance(image, photo(240, 320, seed + 1)) > 12


def test_difference_hash__of_an_even_image_is_0() -> None:
    assert difference_hash(np.full((5, 7, 3), 9, dtype=np.uint8)) == 0
