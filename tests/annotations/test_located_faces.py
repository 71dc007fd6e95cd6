"""Faces of a landmark table at annotated faces."""

from pathlib import Path

import numpy as np

from faceml.annotations.annotated_faces import AnnotatedFaces
from faceml.annotations.located_faces import read_located_faces, read_located_rows
from faceml.annotations.pts_files import IBUG_68
from faceml.images.box import Box
from tests.crowd_table import CROWDS, HEIGHT, SHAPE, WIDTH, write_crowd_table


def test_read_located_faces__of_several_faces_are_the_nearest_ones(tmp_path: Path) -> None:
    rows = read_located_rows(str(write_crowd_table(tmp_path) / "table"))
    wanted = [("1/three.jpg", 2), ("0/pair.jpg", 1), ("1/three.jpg", 0), ("1/alone.jpg", 0)]
    squares = [CROWDS[image][face] for image, face in wanted]
    rng = np.random.default_rng(0)
    # Points near each face, not just within it.
    points = [rng.uniform((x, y), (x + 1.2 * side, y + 1.2 * side), (68, 2)) for x, y, side in squares]
    images = tuple(image for image, _ in wanted)
    faces = AnnotatedFaces(IBUG_68, (*images, "2/nobody.jpg"), np.array([*points, points[0]]))
    found = read_located_faces(rows, faces)
    for place, (left, top, side) in enumerate(squares):
        expected = SHAPE * side + (left, top)
        np.testing.assert_allclose(found.landmarks_px(5)[place], expected, atol=1e-3)
        assert Box.around(points[place]).contains(*expected.mean(axis=0))
    assert np.isnan(found.landmarks[5][-1]).all()
    assert found.statuses == ("ok",) * 4 + ("no_face",)
    np.testing.assert_array_equal(found.sizes_px, [[WIDTH, HEIGHT]] * 5)
    assert found.yaw_deg[:4].tolist() == [20, 10, 0, 0]
