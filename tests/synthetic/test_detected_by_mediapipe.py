"""MediaPipe sees the drawn faces, and finds their points where they are drawn."""

import numpy as np
import pytest

from faceml.landmarks.detector import select_points
from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.landmarks.model_bundle import find_model_bundle
from faceml.synthetic.expression import sample_expression
from faceml.synthetic.person import sample_person
from faceml.synthetic.render import five_of_ten, render_face
from faceml.synthetic.scene import sample_scene
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.tasks.classes import AFFECTNET8

FACES_PER_EXPRESSION = 6


@pytest.mark.parametrize("image_size_px", [128, 224])
def test_render_face__mediapipe_finds_the_drawn_points(image_size_px: int) -> None:
    errors: dict[int, list[float]] = {5: [], 10: []}
    with MediaPipeDetector(find_model_bundle(None), max_faces=1) as detector:
        for i in range(FACES_PER_EXPRESSION * len(AFFECTNET8)):
            rng = np.random.default_rng([20, i])
            person = sample_person(rng)
            expression, scene = sample_expression(i % len(AFFECTNET8), rng), sample_scene(rng)
            image, ten = render_face(person, expression, scene, image_size_px)
            faces = detector.detect(image)
            assert len(faces) == 1, f"no face in image {i}"
            truth = {5: five_of_ten(ten), 10: ten}
            interocular = np.linalg.norm(truth[5][1] - truth[5][0])
            for number, points in truth.items():
                found = select_points(faces[0].mesh, LANDMARK_SETS[number])
                errors[number].append(float(np.linalg.norm(found - points, axis=1).mean() / interocular))
            # Of single faces 3 % is typical; no face may be lost altogether.
            assert errors[5][-1] < 0.10, f"image {i}"
    assert np.mean(errors[5]) < 0.04
    assert np.mean(errors[10]) < 0.06
    by_expression = np.array(errors[5]).reshape(FACES_PER_EXPRESSION, len(AFFECTNET8)).mean(axis=0)
    assert by_expression.max() < 0.05
