"""The geometry is MediaPipe's, and the pose of a face does not depend on its place in the image."""

from collections.abc import Iterator
from pathlib import Path

import mediapipe as mp
import numpy as np
import pytest
from mediapipe.tasks.python import BaseOptions, vision

from faceml.images.decoding import RgbImage
from faceml.landmarks.face_geometry import FaceGeometry
from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.synthetic.expression import sample_expression
from faceml.synthetic.person import sample_person
from faceml.synthetic.render import render_face
from faceml.synthetic.scene import sample_scene

SIDE_PX = 300


@pytest.fixture(scope="module")
def portraits() -> list[RgbImage]:
    drawn = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        person, expression, scene = sample_person(rng), sample_expression(seed, rng), sample_scene(rng)
        drawn.append(render_face(person, expression, scene, SIDE_PX)[0])
    return drawn


@pytest.fixture(scope="module")
def landmarker(model_bundle: Path) -> Iterator[vision.FaceLandmarker]:
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(model_bundle)),
        output_facial_transformation_matrixes=True,
    )
    with vision.FaceLandmarker.create_from_options(options) as opened:
        yield opened


def placed(portrait: RgbImage, x: float, y: float) -> RgbImage:
    """Return a picture of 1600 × 900 px with a portrait at a place from 0 to 1 in both directions."""
    picture = np.full((900, 1600, 3), 127, dtype=np.uint8)
    left, top = round(x * (1600 - SIDE_PX)), round(y * (900 - SIDE_PX))
    picture[top : top + SIDE_PX, left : left + SIDE_PX] = portrait
    return picture


def test_transformation__is_mediapipes_where_the_camera_points_at_the_middle(
    portraits: list[RgbImage], landmarker: vision.FaceLandmarker, model_bundle: Path
) -> None:
    geometry = FaceGeometry.read(model_bundle)
    for number, portrait in enumerate(portraits):
        for picture in (portrait, placed(portrait, number / 5, 0.4)):
            result = landmarker.detect(mp.Image(mp.ImageFormat.SRGB, picture))
            points = result.face_landmarks[0]
            mesh = np.array([(point.x, point.y, point.z) for point in points], dtype=np.float32)
            ours = geometry.transformation(mesh, picture.shape[1], picture.shape[0], center=False)
            expected = result.facial_transformation_matrixes[0][:3, :3]
            np.testing.assert_allclose(ours[:3, :3], expected, atol=5e-4)


def test_estimate_pose__is_the_same_wherever_a_face_is(
    portraits: list[RgbImage], model_bundle: Path, detector: MediaPipeDetector
) -> None:
    geometry = FaceGeometry.read(model_bundle)
    spreads, spreads_of_mediapipe = [], []
    for portrait in portraits:
        poses, poses_of_mediapipe = [], []
        for x, y in ((0.05, 0.5), (0.5, 0.5), (0.95, 0.5), (0.5, 0.1), (0.5, 0.9)):
            (face,) = detector.detect(placed(portrait, x, y))
            poses.append([face.pose.yaw_deg, face.pose.pitch_deg])
            of_mediapipe = geometry.estimate_pose(face.mesh, 1600, 900, center=False)
            poses_of_mediapipe.append([of_mediapipe.yaw_deg, of_mediapipe.pitch_deg])
        spreads.append(np.ptp(poses, axis=0))
        spreads_of_mediapipe.append(np.ptp(poses_of_mediapipe, axis=0))
    assert (np.median(spreads, axis=0) <= 2).all()
    assert (np.median(spreads_of_mediapipe, axis=0) > 8).all()
