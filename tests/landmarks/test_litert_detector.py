"""The networks without MediaPipe's graph, compared with real MediaPipe on drawn faces."""

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceml.config.extract import LandmarkerConfig
from faceml.images.decoding import RgbImage
from faceml.landmarks.detector import FaceObservation
from faceml.landmarks.litert_detector import FaceRegion, LiteRtDetector
from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.landmarks.model_bundle import BUNDLE_SHA256
from faceml.landmarks.options import DetectorOptions, detector_metadata
from faceml.synthetic.expression import sample_expression
from faceml.synthetic.person import sample_person
from faceml.synthetic.render import render_face
from faceml.synthetic.scene import sample_scene

Detectors = tuple[LiteRtDetector, MediaPipeDetector]
MOST_DIFFERENCE = 0.001
"""Mean distance of the points of both, in distances of the outer eye corners."""
EYES = (33, 263)


@pytest.fixture(scope="module")
def detectors(model_bundle: Path) -> Iterator[Detectors]:
    with LiteRtDetector(model_bundle, 5) as ours, MediaPipeDetector(model_bundle, 5) as reference:
        yield ours, reference


def portrait_of(seed: int, side_px: int) -> RgbImage:
    rng = np.random.default_rng(seed)
    return render_face(sample_person(rng), sample_expression(seed % 8, rng), sample_scene(rng), side_px)[0]


def difference(ours: FaceObservation, reference: FaceObservation, image: RgbImage) -> float:
    """Return the mean distance of the points in x, y and z, in eye distances."""
    height, width = image.shape[:2]
    ours_px, reference_px = (face.mesh * (width, height, width) for face in (ours, reference))
    eye_distance = np.linalg.norm(np.subtract(*reference_px[list(EYES), :2]))
    return float(np.linalg.norm(ours_px - reference_px, axis=1).mean() / eye_distance)


def assert_agree(detectors: Detectors, image: RgbImage) -> int:
    """Compare the faces of both detectors and return their number."""
    ours, reference = (detector.detect(image) for detector in detectors)
    assert len(ours) == len(reference)
    for face, expected in zip(ours, reference, strict=True):
        assert face.mesh.dtype == np.float32
        assert difference(face, expected, image) < MOST_DIFFERENCE
        for angle in ("yaw_deg", "pitch_deg", "roll_deg"):
            assert getattr(face.pose, angle) == pytest.approx(getattr(expected.pose, angle), abs=0.2)
    return len(ours)


@pytest.mark.parametrize("side_px", [48, 97, 350, 701])
def test_detect__agrees_with_mediapipe_on_faces_of_any_size(side_px: int, detectors: Detectors) -> None:
    found = sum(assert_agree(detectors, portrait_of(seed, side_px)) for seed in range(6))
    assert found >= 4


@pytest.mark.parametrize("clockwise_deg", [-150, -60, -20, 10, 45, 90, 180])
def test_detect__agrees_with_mediapipe_on_turned_images(clockwise_deg: int, detectors: Detectors) -> None:
    image = portrait_of(1, 320)
    turn = cv2.getRotationMatrix2D((160, 160), -clockwise_deg, 1)
    turned = np.asarray(cv2.warpAffine(image, turn, (320, 320), borderValue=image[0, 0].tolist()), np.uint8)
    assert_agree(detectors, turned)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (40, 200), (0, 470), (150, 100)])
def test_detect__agrees_with_mediapipe_on_parts_of_faces_at_an_edge(
    top: int, left: int, detectors: Detectors
) -> None:
    wide = np.full((240, 560, 3), 90, dtype=np.uint8)
    wide[20:220, 180:380] = portrait_of(2, 200)
    assert_agree(detectors, np.ascontiguousarray(wide[top:, left : left + 330]))
    assert_agree(detectors, np.ascontiguousarray(np.rot90(wide[top:, left : left + 330])))


def test_detect__agrees_with_mediapipe_on_several_faces(detectors: Detectors) -> None:
    row = np.full((300, 900, 3), 128, dtype=np.uint8)
    for number, side_px in enumerate((280, 220, 180)):
        row[10 : 10 + side_px, 300 * number : 300 * number + side_px] = portrait_of(number, side_px)
    assert assert_agree(detectors, row) == 3
    ours = detectors[0].detect(row)
    assert [face.box.area for face in ours] == sorted((face.box.area for face in ours), reverse=True)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (3, 500), (500, 3), (40, 3000), (4096, 4096)])
def test_detect__agrees_with_mediapipe_on_images_of_extreme_size(
    shape: tuple[int, int], detectors: Detectors
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert assert_agree(detectors, noise) == 0
    assert assert_agree(detectors, np.zeros((*shape, 3), dtype=np.uint8)) == 0


def test_detect__agrees_with_mediapipe_on_a_face_in_a_huge_image(detectors: Detectors) -> None:
    assert assert_agree(detectors, cv2.resize(portrait_of(0, 512), (5001, 5001))) == 1


def test_detect__reads_arrays_in_any_layout(detectors: Detectors) -> None:
    image = portrait_of(0, 320)
    (expected,) = detectors[0].detect(image)
    mirrored_twice = np.ascontiguousarray(image[:, ::-1])[:, ::-1]
    for view in (
        mirrored_twice,
        np.asfortranarray(image),
        np.pad(image, ((7, 3), (5, 9), (0, 0)))[7:-3, 5:-9],
    ):
        assert not view.flags.c_contiguous
        (face,) = detectors[0].detect(view)
        np.testing.assert_array_equal(face.mesh, expected.mesh)


def test_place__returns_where_the_pixels_of_a_crop_come_from() -> None:
    """A crop of an image whose color is its place shows the place of each of its pixels."""
    rows, columns = np.mgrid[:240, :200]
    image = np.stack([columns, rows, rows * 0], axis=2).astype(np.uint8)
    region = FaceRegion((100.0, 120.0), (60.0, 50.0), 0.4)
    crop = region.crop(image)
    points = np.array([[0.0, 0.0, 0.1], [0.5, 0.25, 0.2], [0.75, 0.875, 0.0]], dtype=np.float32)
    placed = region.place(points, 200, 240)
    for (x, y, depth), found in zip(points.tolist(), placed, strict=True):
        seen = crop[round(y * 256), round(x * 256), :2]
        np.testing.assert_allclose(found[:2] * (200, 240), seen, atol=1)
        assert found[2] == pytest.approx(depth * np.hypot(60 * np.cos(0.4) / 200, 60 * np.sin(0.4) / 240))


def test_detector_options__choose_the_program(model_bundle: Path) -> None:
    detector = DetectorOptions(model_bundle, engine="litert").create_detector()
    assert isinstance(detector.detector, LiteRtDetector)
    assert isinstance(DetectorOptions(model_bundle).create_detector().detector, MediaPipeDetector)


def test_detector_metadata__name_the_program() -> None:
    version = importlib.metadata.version("ai-edge-litert")
    assert detector_metadata("litert") == {
        "name": "litert",
        "version": version,
        "model_sha256": BUNDLE_SHA256,
    }
    assert detector_metadata("mediapipe")["version"] == importlib.metadata.version("mediapipe")


def test_engine__needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LandmarkerConfig(engine="litert").engine == "litert"
    monkeypatch.setattr("faceml.config.sections.runtime.find_spec", lambda name: None)
    assert LandmarkerConfig().engine == "mediapipe"
    with pytest.raises(ValueError, match=r"litert needs .* pip install 'faceml\[litert\]'"):
        LandmarkerConfig(engine="litert")
