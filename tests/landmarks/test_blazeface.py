"""Anchors, letterbox and suppression of the face detector, recomputed."""

import cv2
import numpy as np
import pytest

from faceml.landmarks.blazeface import SIDE_PX, BlazeFaceDecoder, anchors, letterbox, suppress

LOW, HIGH = -10.0, 10.0
"""Logits of no face and of a face."""


def test_anchors__are_two_in_each_place_of_the_fine_grid_and_six_in_each_of_the_coarse_one() -> None:
    expected = [((x + 0.5) / 16, (y + 0.5) / 16) for y in range(16) for x in range(16) for _ in range(2)]
    expected += [((x + 0.5) / 8, (y + 0.5) / 8) for y in range(8) for x in range(8) for _ in range(6)]
    assert anchors().shape == (896, 2)
    np.testing.assert_array_equal(anchors(), np.array(expected, dtype=np.float32))


@pytest.mark.parametrize(
    ("width", "height"), [(350, 200), (200, 350), (349, 349), (500, 3), (1, 1), (640, 427)]
)
def test_letterbox__interpolates_at_32nds_of_a_pixel_on_black(width: int, height: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    side = max(width, height)
    steps = [np.arange(SIDE_PX) * side / SIDE_PX * 32 - (side - length) * 16 for length in (width, height)]
    (left, right_part), (top, lower_part) = (np.divmod(np.rint(places).astype(int), 32) for places in steps)
    padded = np.pad(image, ((side, side + 1), (side, side + 1), (0, 0))).astype(float)
    upper, lower = (
        padded[np.ix_(rows + side, left + side)] * (32 - right_part)[:, None] / 32
        + padded[np.ix_(rows + side, left + side + 1)] * right_part[:, None] / 32
        for rows in (top, top + 1)
    )
    expected = (upper * (32 - lower_part)[:, None, None] + lower * lower_part[:, None, None]) / 32
    found = letterbox(image)
    assert found.shape == (SIDE_PX, SIDE_PX, 3)
    assert found.dtype == np.uint8
    # Places half way between two steps may be rounded to either.
    column, row = (np.abs(places % 1 - 0.5) > 1e-6 for places in steps)
    is_exact = np.ix_(row, column)
    np.testing.assert_allclose(found[is_exact], expected[is_exact], atol=0.51)
    assert row.mean() >= 0.5
    assert column.mean() >= 0.5


def test_letterbox__of_the_input_s_size_is_the_image() -> None:
    image = np.random.default_rng(1).integers(0, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    np.testing.assert_array_equal(letterbox(image), image)
    halves = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(letterbox(halves), image)


def detection(x: float, y: float, size: float, nose: float = 0.0) -> list[float]:
    return [x, y, size, size, *[x] * 4, nose, nose, *[y] * 6]


def test_suppress__averages_boxes_of_one_face_by_score() -> None:
    boxes = np.array(
        [detection(0.5, 0.5, 0.4, 1.0), detection(0.54, 0.5, 0.4, 2.0), detection(0.2, 0.2, 0.1)]
    )
    scores = np.array([0.9, 0.6, 0.95])
    (first_score, first), (second_score, second) = suppress(boxes, scores)
    assert (first_score, second_score) == (0.95, 0.9)
    np.testing.assert_allclose(first, boxes[2])
    np.testing.assert_allclose(second, (0.9 * boxes[0] + 0.6 * boxes[1]) / 1.5)


@pytest.mark.parametrize(("shift", "faces"), [(0.33, 1), (0.34, 2)])
def test_suppress__groups_boxes_whose_intersection_is_above_half_of_their_union(
    shift: float, faces: int
) -> None:
    """Two unit squares shifted by s have the intersection over union (1 - s) / (1 + s), a half at s = 1/3."""
    boxes = np.array([detection(0, 0, 1), detection(shift, 0, 1)])
    assert len(suppress(boxes, np.array([0.8, 0.7]))) == faces


def test_decode__adds_offsets_in_px_to_anchors_and_removes_the_letterbox() -> None:
    values, logits = np.zeros((896, 16), np.float32), np.full(896, LOW, np.float32)
    values[100] = [12.8, 6.4, 32, 64, *[0, 0], *[12.8, 0], *[0] * 8]
    logits[100] = HIGH
    (face,) = BlazeFaceDecoder(0.5, 5).decode(values, logits, 400, 200)
    anchor_x, anchor_y = (100 // 2 % 16 + 0.5) / 16, (100 // 2 // 16 + 0.5) / 16
    assert face.score == pytest.approx(1 / (1 + np.exp(-HIGH)))
    assert face.center == pytest.approx(((anchor_x + 0.1) * 400, (anchor_y + 0.05) * 400 - 100), rel=1e-5)
    assert face.size == pytest.approx((100, 200))
    expected = [[anchor_x * 400, anchor_y * 400 - 100], [(anchor_x + 0.1) * 400, anchor_y * 400 - 100]]
    np.testing.assert_allclose(face.points[:2], expected, rtol=1e-5)


def test_decode__keeps_the_best_of_those_above_the_least_score() -> None:
    values, logits = np.zeros((896, 16), np.float32), np.full(896, LOW, np.float32)
    values[:, 2:4] = 4
    scores = {0: 0.7, 200: 0.9, 400: 0.499, 800: 0.6}
    for anchor, score in scores.items():
        logits[anchor] = np.log(score / (1 - score))
    found = BlazeFaceDecoder(0.5, 2).decode(values, logits, 100, 100)
    assert [face.score for face in found] == pytest.approx([0.9, 0.7])
    values[200, 2] = -4
    found = BlazeFaceDecoder(0.5, 2).decode(values, logits, 100, 100)
    assert [face.score for face in found] == pytest.approx([0.7, 0.6]), "a box without size is no face"
    assert not BlazeFaceDecoder(0.95, 2).decode(values, logits, 100, 100)
