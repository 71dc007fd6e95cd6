"""Overlays show each face where it is."""

import numpy as np

from faceml.images.decoding import RgbImage
from faceml.prediction.drawing import BOX_RGB, draw_predictions
from faceml.prediction.results import FacePrediction, ImagePrediction


def _face(box: tuple[float, float, float, float]) -> FacePrediction:
    corners = np.array(box, dtype=np.float32)
    points = np.full((5, 2), 0.5, dtype=np.float32) * (corners[:2] + corners[2:])
    probabilities = np.full(8, 0.1, dtype=np.float32)
    return FacePrediction(corners, probabilities, points, np.zeros(4, dtype=np.float32))


def _where(image: RgbImage, rgb: tuple[int, int, int]) -> tuple[list[int], list[int]]:
    rows, columns = np.nonzero((image == rgb).all(axis=2))
    return [columns.min(), columns.max()], [rows.min(), rows.max()]


def test_draw_predictions__frames_the_face_and_leaves_the_image_alone() -> None:
    image = np.zeros((200, 300, 3), dtype=np.uint8)
    prediction = ImagePrediction("a.jpg", "ok", 300, 200, (_face((0.2, 0.3, 0.6, 0.9)),))
    drawn = draw_predictions(image, prediction)
    columns, rows = _where(drawn, BOX_RGB)
    np.testing.assert_allclose(columns, [60, 180], atol=2)
    np.testing.assert_allclose(rows, [60, 180], atol=2)
    assert not image.any()
    assert drawn[10, 290].tolist() == [0, 0, 0]


def test_draw_predictions__of_a_face_that_reaches_beyond_the_image_stays_inside() -> None:
    image = np.zeros((50, 50, 3), dtype=np.uint8)
    prediction = ImagePrediction("a.jpg", "ok", 50, 50, (_face((-0.5, -0.5, 1.5, 1.5)),))
    columns, rows = _where(draw_predictions(image, prediction), BOX_RGB)
    assert columns == [0, 49]
    assert rows[1] == 49


def test_draw_predictions__of_no_face_is_the_image() -> None:
    image = np.full((5, 5, 3), 7, dtype=np.uint8)
    assert np.array_equal(draw_predictions(image, ImagePrediction("a.jpg", "no_face", 5, 5)), image)
