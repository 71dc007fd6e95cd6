"""Alignment against known motions, OpenCV's own estimate, and drawn faces."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, strategies as st

from faceml.images.alignment import ARCFACE_TEMPLATE, Points, align_face, scale_of, similarity, template
from faceml.landmarks.detector import select_points
from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.synthetic.expression import sample_expression
from faceml.synthetic.person import sample_person
from faceml.synthetic.render import five_of_ten, render_face
from faceml.synthetic.scene import sample_scene
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.tasks.classes import AFFECTNET8


@given(st.floats(-math.pi, math.pi), st.floats(0.1, 5.0), st.floats(-100, 100), st.floats(-100, 100))
def test_similarity__finds_the_motion_that_made_the_points(
    angle: float, scale: float, right: float, down: float
) -> None:
    turned = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved = ARCFACE_TEMPLATE @ turned.T + [right, down]
    found = similarity(ARCFACE_TEMPLATE, moved)
    np.testing.assert_allclose(found, np.column_stack([turned, [right, down]]), atol=1e-9)
    assert scale_of(found) == pytest.approx(scale)


@given(st.integers(0, 10**6))
def test_similarity__leaves_the_smallest_sum_of_squares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, targets = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    # The motion is linear in (cos, sin, right, down): ordinary least squares.
    x, y = points.T
    ones, zeros = np.ones(5), np.zeros(5)
    design = np.concatenate([np.column_stack([x, -y, ones, zeros]), np.column_stack([y, x, zeros, ones])])
    (cos, sin, right, down), *_ = np.linalg.lstsq(
        design, np.concatenate([targets[:, 0], targets[:, 1]]), rcond=None
    )
    expected = [[cos, -sin, right], [sin, cos, down]]
    np.testing.assert_allclose(similarity(points, targets), expected, atol=1e-9)


def test_template__grows_with_the_square_from_its_corner() -> None:
    np.testing.assert_array_equal(template(112), ARCFACE_TEMPLATE)
    # A point on the border between two pixels stays at the same share of the side.
    np.testing.assert_allclose((template(224) + 0.5) / 224, (ARCFACE_TEMPLATE + 0.5) / 112)


@pytest.mark.parametrize("scale", [0.7, 1.0, 2.0, 3.7, 9.0])
def test_align_face__dots_at_the_landmarks_come_to_the_template(scale: float) -> None:
    """Five dots of a face turned by 20°, of many sizes, are found where the template has them."""
    side = round(160 * scale)
    angle = math.radians(20)
    turned = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    points = (ARCFACE_TEMPLATE - 56) @ turned.T + side / 2
    ys, xs = np.mgrid[:side, :side]
    width = 1.5 * max(scale, 1.0)
    for number in range(5):
        image = np.zeros((side, side, 3), dtype=np.uint8)
        dot = 255 * np.exp(-((xs - points[number, 0]) ** 2 + (ys - points[number, 1]) ** 2) / (2 * width**2))
        image[:] = dot[..., None].astype(np.uint8)
        aligned = align_face(image, (points + 0.5) / side)[..., 0].astype(float)
        aligned[aligned < 8] = 0
        where = np.mgrid[:112, :112].reshape(2, -1)[::-1] @ aligned.ravel() / aligned.sum()
        np.testing.assert_allclose(where, ARCFACE_TEMPLATE[number], atol=0.12)


def test_align_face__small_squares_are_not_aliased() -> None:
    """A fine pattern of black and white becomes gray, not a coarse pattern."""
    image = np.zeros((900, 900, 3), dtype=np.uint8)
    image[::2] = 255
    aligned = align_face(image, (template(800) + 50.5) / 900)
    inside = cv2.cvtColor(aligned[16:-16, 16:-16], cv2.COLOR_RGB2GRAY)
    assert np.abs(inside.astype(float) - 127.5).max() < 8


def test_align_face__drawn_faces_that_mediapipe_found_lie_on_the_template(
    detector: MediaPipeDetector,
) -> None:
    """A similarity closes no mouth: only neutral faces come near the template, all near their truth."""
    of_neutral, of_truth = [], []
    for number in range(32):
        rng = np.random.default_rng([30, number])
        expression = sample_expression(number % len(AFFECTNET8), rng)
        image, ten = render_face(sample_person(rng), expression, sample_scene(rng), 224)
        found = select_points(detector.detect(image)[0].mesh, LANDMARK_SETS[5]).astype(np.float64)
        by_found, by_truth = (
            placed(points * 224 - 0.5, template(112)) for points in (found, five_of_ten(ten))
        )
        of_truth.append(np.linalg.norm(by_found - by_truth, axis=1).mean())
        if number % len(AFFECTNET8) == 0:
            of_neutral.append(np.linalg.norm(by_found - template(112), axis=1).mean())
    assert np.mean(of_neutral) < 1.5
    assert np.mean(of_truth) < 1.5


def placed(points: Points, targets: Points) -> Points:
    moved = similarity(points, targets)
    there: Points = points @ moved[:, :2].T + moved[:, 2]
    return there
