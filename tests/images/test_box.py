"""Arithmetic of boxes, compared with closed forms and with padding by NumPy."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from faceml.images.box import Box, crop_landmarks

WHOLE = Box(0, 0, 1, 1)


def test_around__is_the_smallest_box() -> None:
    box = Box.around(np.array([[3, 9], [-1, 4], [2, 5.5]], dtype=np.float32))
    assert box == Box(-1, 4, 3, 9)
    assert (box.width, box.height, box.long_side, box.area, box.center) == (4, 5, 5, 20, (1, 6.5))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (WHOLE, 1.0),
        (Box(0.5, 0, 1.5, 1), 1 / 3),
        (Box(0.25, 0.25, 0.75, 0.75), 0.25),
        (Box(1, 0, 2, 1), 0.0),
        (Box(3, 3, 4, 4), 0.0),
    ],
)
def test_iou__is_that_of_the_areas(other: Box, expected: float) -> None:
    assert WHOLE.iou(other) == other.iou(WHOLE) == pytest.approx(expected)


def test_iou__of_empty_boxes_is_0() -> None:
    assert Box(1, 1, 1, 1).iou(Box(1, 1, 1, 1)) == 0.0


def test_contains__leaves_out_the_edge() -> None:
    assert WHOLE.contains(0.5, 0.01)
    assert not WHOLE.contains(0.0, 0.5)
    assert not WHOLE.contains(0.5, 1.2)


def test_square__has_the_same_center_and_the_margin_on_each_side() -> None:
    assert Box(10, 20, 50, 40).square(0.25) == Box(0, 0, 60, 60)
    assert Box(5, 5, 5, 5).square(0.0) == Box(4, 4, 5, 5)


def test_place__turns_fractions_of_the_box_into_those_of_the_image() -> None:
    placed = Box(10, 20, 50, 100).place(np.array([[0.0, 0.0], [0.5, 0.25], [1.0, 1.0]]), 100, 200)
    np.testing.assert_allclose(placed, [[0.1, 0.1], [0.3, 0.2], [0.5, 0.5]])


def test_normalize__places_the_corners() -> None:
    assert Box(10, -20, 50, 100).normalize(100, 200) == Box(0.1, -0.1, 0.5, 0.5)


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 30), st.integers(1, 30))
def test_crop__repeats_the_edge_beyond_the_image(left: int, top: int, width: int, height: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 14, 3), dtype=np.uint8)
    padded = np.pad(image, ((40, 40), (40, 40), (0, 0)), mode="edge")
    expected = padded[40 + top : 40 + top + height, 40 + left : 40 + left + width]
    if left + width > 0 and top + height > 0:
        cropped = Box(left, top, left + width, top + height).crop(image)
        np.testing.assert_array_equal(cropped, expected)


def test_crop_landmarks__corners_of_the_box_are_corners_of_the_crop() -> None:
    box = np.array([0.25, -0.5, 0.75, 0.5])
    points = np.array([[0.25, -0.5], [0.75, 0.5], [0.5, 0.0]])
    np.testing.assert_allclose(crop_landmarks(points, box), [[0, 0], [1, 1], [0.5, 0.5]])
