"""Real MediaPipe on a drawn face."""

from pathlib import Path

import mediapipe as mp
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from faceml.images.decoding import RgbImage
from faceml.landmarks.detector import FaceObservation, HeadPose, select_points
from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.tables.landmark_sets import LANDMARK_SETS

Portrait = tuple[RgbImage, npt.NDArray[np.float32]]
TEN = LANDMARK_SETS[10]


def only_face(detector: MediaPipeDetector, image: RgbImage) -> FaceObservation:
    (face,) = detector.detect(image)
    return face


def test_detect__gives_the_points_of_mediapipe_s_own_result(portrait: Portrait, model_bundle: Path) -> None:
    options = mp.tasks.vision.FaceLandmarkerOptions(
        base_options=mp.tasks.BaseOptions(model_asset_path=str(model_bundle)),
    )
    with mp.tasks.vision.FaceLandmarker.create_from_options(options) as landmarker:
        result = landmarker.detect(mp.Image(mp.ImageFormat.SRGB, portrait[0]))
    expected = np.array([(point.x, point.y, point.z) for point in result.face_landmarks[0]], dtype=np.float32)
    with MediaPipeDetector(model_bundle) as detector:
        face = only_face(detector, portrait[0])
    np.testing.assert_array_equal(face.mesh, expected)


def rotated(image: RgbImage, clockwise_deg: float) -> RgbImage:
    background = tuple(int(value) for value in image[0, 0])
    turned = Image.fromarray(image).rotate(-clockwise_deg, Image.Resampling.BILINEAR, fillcolor=background)
    return np.asarray(turned)


def interocular(points: npt.NDArray[np.float32]) -> float:
    left, right = points[list(TEN.left_eye)].mean(axis=0), points[list(TEN.right_eye)].mean(axis=0)
    return float(np.linalg.norm(right - left))


def test_detect__finds_the_points_where_they_are_drawn(
    detector: MediaPipeDetector, portrait: Portrait
) -> None:
    image, drawn = portrait
    face = only_face(detector, image)
    assert face.mesh.shape == (478, 3)
    assert face.mesh.dtype == np.float32
    assert 0 < face.mesh[:, :2].min() <= face.mesh[:, :2].max() < 1
    distances = np.linalg.norm(select_points(face.mesh, TEN) - drawn, axis=1)
    assert distances.mean() < 0.06 * interocular(drawn)


@pytest.mark.parametrize("clockwise_deg", [20.0, -15.0])
def test_detect__roll_follows_a_rotation_of_the_image(
    clockwise_deg: float, detector: MediaPipeDetector, portrait: Portrait
) -> None:
    before = only_face(detector, portrait[0]).pose
    after = only_face(detector, rotated(portrait[0], clockwise_deg)).pose
    assert after.roll_deg - before.roll_deg == pytest.approx(clockwise_deg, abs=4)


def test_detect__yaw_is_positive_towards_the_viewers_right_and_mirrors(
    detector: MediaPipeDetector, portrait: Portrait
) -> None:
    tilted = rotated(portrait[0], 12.0)
    pose, mirrored = (only_face(detector, image).pose for image in (tilted, tilted[:, ::-1]))
    assert pose.yaw_deg > 4
    assert pose.roll_deg > 8
    assert mirrored.yaw_deg == pytest.approx(-pose.yaw_deg, abs=4)
    assert mirrored.roll_deg == pytest.approx(-pose.roll_deg, abs=4)
    assert mirrored.pitch_deg == pytest.approx(pose.pitch_deg, abs=5)


@pytest.mark.parametrize("number", [5, 10])
def test_detect__landmarks_of_a_mirrored_image_are_the_mirrored_landmarks(
    number: int, detector: MediaPipeDetector, portrait: Portrait
) -> None:
    landmark_set = LANDMARK_SETS[number]
    points, mirrored = (
        select_points(only_face(detector, image).mesh, landmark_set)
        for image in (portrait[0], portrait[0][:, ::-1])
    )
    expected = ((1, 0) + points * (-1, 1))[list(landmark_set.flip_permutation)]
    distances = np.linalg.norm(mirrored - expected, axis=1)
    assert distances.mean() < 0.04 * interocular(portrait[1])


def test_detect__reads_arrays_in_any_layout(detector: MediaPipeDetector, portrait: Portrait) -> None:
    image = portrait[0]
    in_bgr = np.ascontiguousarray(image[..., ::-1])
    by_column = np.asfortranarray(image)
    part_of_larger = np.pad(image, ((7, 3), (5, 9), (0, 0)))[7:-3, 5:-9]
    expected = only_face(detector, image).mesh
    for view in (in_bgr[..., ::-1], by_column, part_of_larger):
        assert not view.flags.c_contiguous
        np.testing.assert_array_equal(only_face(detector, view).mesh, expected)


def test_detect__the_largest_face_comes_first(model_bundle: Path, portrait: Portrait) -> None:
    image = portrait[0]
    small = np.asarray(Image.fromarray(image).resize((240, 240)))
    beside = np.full((320, 240, 3), image[0, 0], dtype=np.uint8)
    beside[40:280] = small
    with MediaPipeDetector(model_bundle, max_faces=2) as detector:
        for row in ((image, beside), (beside, image)):
            first, second = detector.detect(np.hstack(row))
            assert first.box.area > second.box.area
            large_is_left = row[0] is image
            assert (first.mesh[:, 0].mean() < second.mesh[:, 0].mean()) == large_is_left


def test_detect__finds_no_face_where_there_is_none(detector: MediaPipeDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    for image in (noise, np.zeros((1, 1, 3), dtype=np.uint8), np.zeros((3, 500, 3), dtype=np.uint8)):
        assert detector.detect(image) == []


def test_face_observation__box_is_the_bounding_box() -> None:
    mesh = np.array([[0.2, 0.1, 9.0], [0.6, 0.4, -9.0], [0.3, 0.6, 0.0]], dtype=np.float32)
    assert FaceObservation(mesh, HeadPose(0, 0, 0)).box.area == pytest.approx(0.4 * 0.5)
