import numpy as np
import pytest

from faceml.landmarks.points import select_points
from faceml.tables.schema import LANDMARK_SETS


@pytest.mark.parametrize("dimensions", [2, 3])
def test_select_points__takes_the_vertices_of_the_design(dimensions: int) -> None:
    mesh = np.random.default_rng(0).random((478, dimensions), dtype=np.float32)
    xy = mesh[:, :2]
    five = [(xy[33] + xy[133]) / 2, (xy[362] + xy[263]) / 2, xy[4], xy[61], xy[291]]
    ten = [xy[vertex] for vertex in (33, 133, 362, 263, 4, 2, 61, 291, 0, 17)]
    for number, expected in ((5, five), (10, ten)):
        points = select_points(mesh, LANDMARK_SETS[number])
        assert points.dtype == np.float32
        np.testing.assert_allclose(points, np.array(expected), rtol=1e-6)


def test_select_points__of_ten_contain_those_of_five() -> None:
    mesh = np.random.default_rng(1).random((478, 3), dtype=np.float32)
    five, ten = (select_points(mesh, LANDMARK_SETS[number]) for number in (5, 10))
    eyes = [ten[list(eye)].mean(axis=0) for eye in (LANDMARK_SETS[10].left_eye, LANDMARK_SETS[10].right_eye)]
    np.testing.assert_allclose(five, [*eyes, ten[4], ten[6], ten[7]], rtol=1e-6)
