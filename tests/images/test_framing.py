"""The box in which a face lies as in training: closed forms, recomputed independently."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from faceml.images.framing import Framing

FACE = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.75], [0.65, 0.75]])


def test_of__is_the_mean_of_landmarks_and_the_median_of_aspects() -> None:
    landmarks = np.stack([FACE, FACE + 0.1, FACE - 0.1]).astype(np.float32)
    sizes = np.array([[100, 100], [150, 100], [np.nan, np.nan]], dtype=np.float32)
    framing = Framing.of(landmarks, sizes)
    np.testing.assert_allclose(framing.landmarks, FACE, atol=1e-6)
    assert framing.aspect == pytest.approx(1.25)
    assert Framing.from_plain(framing.as_plain()) == framing


def test_of__takes_images_of_unknown_size_for_squares() -> None:
    assert Framing.of(FACE[None], np.full((1, 2), np.nan)).aspect == 1.0


@given(
    left=st.integers(-500, 500),
    top=st.integers(-500, 500),
    height=st.integers(40, 2000),
    aspect=st.sampled_from([1.0, 0.75, 1.5]),
)
def test_box__gives_back_the_image_that_a_face_was_framed_in(
    left: int, top: int, height: int, aspect: float
) -> None:
    """A picture of training, somewhere in a larger one."""
    width = round(height * aspect)
    framing = Framing(tuple((float(x), float(y)) for x, y in FACE), width / height)
    box = framing.box(FACE * (width, height) + (left, top))
    np.testing.assert_allclose(box.corners, (left, top, left + width, top + height), atol=1)


@given(degrees=st.floats(-180, 180))
def test_box__of_a_tilted_head_is_as_large(degrees: float) -> None:
    framing = Framing(tuple((float(x), float(y)) for x, y in FACE))
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    box = framing.box((FACE - 0.5) * 200 @ turn.T + 300)
    assert box.width == box.height == pytest.approx(200, abs=1)
