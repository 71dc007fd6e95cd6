"""Overlays show each face where it is."""

from typing import Any

import numpy as np

from faceml.config.sections.tasks import parse_tasks
from faceml.images.decoding import RgbImage
from faceml.landmarks.draw import LEFT_RGB, RIGHT_RGB
from faceml.prediction.drawing import BOX_RGB, PAPER_RGB, _caption, draw_predictions
from faceml.prediction.results import FacePrediction, ImagePrediction
from faceml.tasks.build import build_tasks
from tests.random_model import MESH, PAIR, WITH_POSE

ALL = WITH_POSE | MESH


def _face(box: tuple[float, float, float, float], **more: Any) -> FacePrediction:
    """Return a face of the default tasks and of others, given the values of their outputs."""
    corners = np.array(box, dtype=np.float32)
    outputs = {
        "probabilities": np.full(8, 0.1, dtype=np.float32),
        "landmarks": np.full((5, 2), 0.5, dtype=np.float32) * (corners[:2] + corners[2:]),
    }
    tasks = build_tasks(parse_tasks(dict(PAIR | {name: ALL[name] for name in more})))
    return FacePrediction(corners, outputs | more, np.zeros(4, dtype=np.float32), tasks)


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


def test_draw_predictions__has_a_line_for_each_task_and_all_points() -> None:
    image = np.full((200, 300, 3), 255, dtype=np.uint8)
    box = (0.2, 0.5, 0.6, 0.9)
    eyes = np.array([[0.3, 0.6], [0.35, 0.6], [0.45, 0.6], [0.5, 0.6]], dtype=np.float32)
    pose = np.array([10.0, -20.0, 30.0], dtype=np.float32)
    heights = {}
    for name, face in (("pair", _face(box)), ("all", _face(box, pose=pose, eyes=eyes))):
        drawn = draw_predictions(image, ImagePrediction("a.jpg", "ok", 300, 200, (face,)))
        _, rows = _where(drawn[:99], PAPER_RGB)  # above the box
        heights[name] = rows[1] - rows[0]
        found = [tuple(drawn[round(y * 200), round(x * 300)]) for x, y in eyes]
        if name == "all":
            assert found == [LEFT_RGB, LEFT_RGB, RIGHT_RGB, RIGHT_RGB]
    assert heights["all"] > 2 * heights["pair"]


def test_caption__names_the_task_if_there_are_several() -> None:
    face = _face((0, 0, 1, 1), pose=np.array([10.0, -20.0, 30.0], dtype=np.float32))
    lines = [task.caption(face.outputs).replace("\N{NO-BREAK SPACE}", " ") for task in face.tasks.values()]
    assert lines == ["neutral 10%", "", "yaw_deg 10, pitch_deg -20, roll_deg 30"]
    assert _caption(_face((0, 0, 1, 1))) == "neutral 10%"
    assert _caption(face).splitlines()[0] == "expression: neutral 10%"
    assert _caption(face).splitlines()[1].startswith("pose: yaw_deg")
