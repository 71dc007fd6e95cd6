import numpy as np
import pytest

from faceml.landmarks.draw import LEFT_RGB, MIDDLE_RGB, RIGHT_RGB, draw_landmarks, point_colors
from faceml.tables.landmark_sets import LANDMARK_SETS


@pytest.mark.parametrize("number", [5, 10])
def test_draw_landmarks__each_point_has_its_colour_where_it_is(number: int) -> None:
    image = np.full((240, 400, 3), 90, dtype=np.uint8)
    cells = np.random.default_rng(0).permutation(50)[:number]
    points = ((np.stack([cells % 10, cells // 10], axis=1) + 0.5) / (10, 5)).astype(np.float32)
    drawn = draw_landmarks(image, points)
    assert (image == 90).all(), "the original is left alone"
    for name, (x, y) in zip(LANDMARK_SETS[number].names, points, strict=True):
        side = [LEFT_RGB] * name.startswith(("left", "mouth_left")) + [RIGHT_RGB] * name.startswith(
            ("right", "mouth_right")
        )
        row, column = int(y * 240), int(x * 400)
        assert tuple(drawn[row, column]) == (side[0] if side else MIDDLE_RGB), name
        spot = (drawn[row - 24 : row + 24, column - 20 : column + 20] != 90).any(axis=2)
        rows, columns = np.nonzero(spot)
        assert (rows.mean() + row - 24 + 0.5) / 240 == pytest.approx(y, abs=0.3 / 240)
        assert (columns.mean() + column - 20 + 0.5) / 400 == pytest.approx(x, abs=0.3 / 400)


def test_draw_landmarks__points_outside_the_picture_are_no_error() -> None:
    image = np.zeros((20, 20, 3), dtype=np.uint8)
    points = np.array([[-3, 0.5], [5, 0.5], [0.5, -9], [2, 2], [0.5, 0.5]], dtype=np.float32)
    assert draw_landmarks(image, points)[10, 10].any()


def test_point_colors__a_pair_has_two() -> None:
    assert point_colors(LANDMARK_SETS[5].flip_permutation) == [
        LEFT_RGB,
        RIGHT_RGB,
        MIDDLE_RGB,
        LEFT_RGB,
        RIGHT_RGB,
    ]
