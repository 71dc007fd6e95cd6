"""JPEG structure, against the decoder that reads the same bytes."""

import io
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from faceml.images.decoding import decode_image
from faceml.images.jpeg import frame_size, is_damaged
from faceml.images.limits import DecodeLimits

FORGED_FRAME = b"\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00"  # 16×16 px
FORGED_SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"


def jpeg(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "JPEG", quality=10)
    return file.getvalue()


def comment(content: bytes) -> bytes:
    return b"\xff\xfe" + (len(content) + 2).to_bytes(2, "big") + content


def forged_after_tem(real: bytes) -> bytes:
    """TEM has no length; a reader that takes the next marker FF FE for one jumps to a forged frame."""
    far = 4 + 0xFFFE
    first = b"\xff\xd8\xff\x01" + comment(bytes(65_000))
    return first + comment(bytes(far - len(first) + 4) + FORGED_FRAME + FORGED_SCAN + bytes(8)) + real[2:]


def test_frame_size__is_the_decoders_behind_a_marker_without_a_length() -> None:
    forged = forged_after_tem(jpeg(300, 200))
    assert frame_size(forged) == (300, 200)
    assert decode_image(forged, DecodeLimits(max_pixels=300 * 200 - 1)) == "too_large"
    decoded = decode_image(forged, DecodeLimits(max_pixels=300 * 200))
    assert isinstance(decoded, np.ndarray)
    assert decoded.shape == (200, 300, 3)


parts = st.one_of(
    st.sampled_from([b"\xff\x01", b"\xff\xd0", b"\xff\xff", b"\xff\x00", b"\x00", b"\xff\xd8", b"\xff\xd9"]),
    st.sampled_from(
        [FORGED_FRAME, FORGED_SCAN, b"\xff\xfe\x00\x00", b"\xff\xfe\x00\x01", b"\xff\xe0\x00\x02"]
    ),
    st.binary(max_size=20).map(comment),
    st.just(comment(FORGED_FRAME + FORGED_SCAN)),
)


@given(st.lists(parts, max_size=6))
@settings(max_examples=300, deadline=None)
def test_frame_size__is_the_decoders_behind_anything(prefix: Sequence[bytes]) -> None:
    data = b"\xff\xd8" + b"".join(prefix) + jpeg(40, 24)[2:]
    seen = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    if seen is not None:
        assert frame_size(data) == seen.shape[1::-1]


@pytest.mark.parametrize(
    ("line", "damaged"),
    [
        (b"Corrupt JPEG data: premature end of data segment\n", True),
        (b"Corrupt JPEG data: 4 extraneous bytes before marker 0xd9\n", False),
        (b"Corrupt JPEG data: 5 extraneous bytes before marker 0xd9\n", True),
        (b"Corrupt JPEG data: 4 extraneous bytes before marker 0xd0\n", True),
        (b"Premature end of JPEG file\n", True),
        (b"Invalid SOS parameters for sequential JPEG\n", False),
    ],
)
def test_is_damaged__knows_padding_and_harmless_warnings(line: bytes, damaged: bool) -> None:
    assert is_damaged(b"\x01\x00\x00\x00\x00\xff\xd9", [line]) == damaged
