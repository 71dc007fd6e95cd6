"""Faces are plausible, what the detector takes for a face is not, and the score is the documented formula."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceml.images.alignment import align_face
from faceml.images.decoding import RgbImage
from faceml.landmarks.confirmed_detector import ConfirmedDetector
from faceml.landmarks.detector import select_points
from faceml.landmarks.litert_detector import LiteRtDetector
from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.landmarks.options import DetectorOptions
from faceml.landmarks.plausibility import FacePlausibility, gradient_histograms, mesh_shape
from faceml.landmarks.second_look import SecondLook
from faceml.synthetic.expression import sample_expression
from faceml.synthetic.person import sample_person
from faceml.synthetic.render import render_face
from faceml.synthetic.scene import sample_scene
from faceml.tables.landmark_sets import LANDMARK_SETS
from tests.drawn_dogs import draw_dog

DOGS = 20


@pytest.fixture(scope="module")
def bare(model_bundle: Path) -> Iterator[MediaPipeDetector]:
    with MediaPipeDetector(model_bundle, 5) as opened:
        yield opened


def draw_faces(count: int) -> Iterator[RgbImage]:
    for seed in range(count):
        rng = np.random.default_rng(seed)
        side_px = (48, 96, 256)[seed % 3]
        yield render_face(sample_person(rng), sample_expression(seed % 8, rng), sample_scene(rng), side_px)[0]


@pytest.mark.parametrize("engine", [MediaPipeDetector, LiteRtDetector])
def test_detect__keeps_faces_and_rejects_animals(
    model_bundle: Path, engine: type[MediaPipeDetector | LiteRtDetector]
) -> None:
    with engine(model_bundle, 5) as bare, ConfirmedDetector(engine(model_bundle, 5)) as confirmed:
        for image in draw_faces(24):
            assert len(confirmed.detect(image)) == len(bare.detect(image))
        assert confirmed.num_rejected == 0
        found = [len(bare.detect(draw_dog(seed))) for seed in range(DOGS)]
        kept = [len(confirmed.detect(draw_dog(seed))) for seed in range(DOGS)]
    assert sum(found) >= 0.9 * DOGS, "the detector takes these drawings for faces"
    assert sum(kept) <= 0.3 * sum(found)
    assert confirmed.num_rejected == sum(found) - sum(kept)


def test_detect__keeps_the_face_beside_an_animal_that_is_larger(model_bundle: Path) -> None:
    """With one face wanted, the animal must not take its place."""
    (face,) = draw_faces(1)
    image = np.full((300, 420, 3), 128, dtype=np.uint8)
    image[20:276, :256], image[100:196, 300:396] = draw_dog(0), cv2.resize(face, (96, 96))
    left_edges = {}
    for confirm in (False, True):
        options = DetectorOptions(model_bundle, max_faces=1, confirm=confirm)
        with options.create_detector() as detector:
            (found,) = detector.detect(image)
            left_edges[confirm] = found.box.left
    assert left_edges[False] < 0.5 < left_edges[True]


def test_second_look__does_not_find_what_was_rejected(model_bundle: Path) -> None:
    with DetectorOptions(model_bundle, confirm=True).create_detector() as tiled:
        second_look = SecondLook(tiled)
        rejected = [seed for seed in range(DOGS) if not tiled.detect(draw_dog(seed))]
        assert len(rejected) >= 0.7 * DOGS
        assert sum(bool(second_look.detect(draw_dog(seed))) for seed in rejected) <= 0.1 * DOGS


def test_mesh_shape__does_not_depend_on_place_size_and_tilt(bare: MediaPipeDetector) -> None:
    (image,) = draw_faces(1)
    image = cv2.resize(image, (200, 200))
    (face,) = bare.detect(image)
    shape = mesh_shape(face.mesh, 200, 200)
    assert shape.shape == (480,)
    points = shape.reshape(160, 3)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-6)
    assert (points**2).sum(axis=1).mean() == pytest.approx(1, rel=1e-5)
    angle = np.radians(33)
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    moved_px = face.mesh * 200 @ turn * 1.7 + [40, 90, 5]
    moved = (moved_px / [640, 480, 640]).astype(np.float32)
    np.testing.assert_allclose(mesh_shape(moved, 640, 480), shape, atol=2e-5)


def test_is_plausible__is_the_formula_of_the_stored_model(bare: MediaPipeDetector) -> None:
    """Recomputed in float64: the shape decides, and the appearance where the shape is unusual."""
    stored = np.load(str(files("faceml.landmarks") / "plausibility.npz"))
    model = {name: stored[name].astype(np.float64) for name in stored.files}
    plausibility, decided = FacePlausibility.read(), set()
    for image in [*draw_faces(10), *(draw_dog(seed) for seed in range(10))]:
        height, width = image.shape[:2]
        for face in bare.detect(image):
            centered = mesh_shape(face.mesh, width, height) - model["mean"]
            along = centered @ model["components"]
            parameters = np.clip(along / model["deviations"], -6, 6)
            outside = np.sqrt((centered**2).sum() - (along**2).sum())
            score = parameters @ model["linear"] + parameters**2 @ model["square"] + model["bias"]
            score += model["residual"] * np.log(outside)
            assert plausibility.shape_score(mesh_shape(face.mesh, width, height)) == pytest.approx(
                score, abs=0.01
            )
            aligned = align_face(image, select_points(face.mesh, LANDMARK_SETS[5]).astype(np.float64), 64)
            descriptor = cv2.HOGDescriptor((64, 64), (16, 16), (8, 8), (8, 8), 9)
            histograms = np.asarray(descriptor.compute(cv2.cvtColor(aligned, cv2.COLOR_RGB2GRAY))).ravel()
            np.testing.assert_array_equal(gradient_histograms(image, face.mesh), histograms)
            appearance = histograms @ model["gradients"] + model["gradients_bias"]
            is_usual = score >= model["usual_shape"]
            likely = model["weights"] @ [score, appearance] >= model["threshold"]
            assert plausibility.is_plausible(image, face.mesh) == (is_usual or likely)
            decided.add((bool(is_usual), bool(likely)))
    assert {(True, True), (False, False)} <= decided


def test_components__are_orthonormal() -> None:
    components = FacePlausibility.read().components
    np.testing.assert_allclose(components.T @ components, np.eye(60), atol=2e-3)
