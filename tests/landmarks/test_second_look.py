"""Faces that the detector misses in the whole image are found, in their place, and none is invented."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceml.images.box import Box
from faceml.images.decoding import RgbImage
from faceml.landmarks.detector import Points, select_points
from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.landmarks.options import DetectorOptions
from faceml.landmarks.second_look import SecondLook, looks
from faceml.landmarks.tiled_detector import TiledDetector
from faceml.synthetic.expression import sample_expression
from faceml.synthetic.person import sample_person
from faceml.synthetic.render import render_face
from faceml.synthetic.scene import sample_scene
from faceml.tables.landmark_sets import LANDMARK_SETS

SIDE_PX = 256
PORTRAITS = 40


@pytest.fixture(scope="module")
def tiled(model_bundle: Path) -> Iterator[TiledDetector]:
    with TiledDetector(MediaPipeDetector(model_bundle, 5), 1, 5) as opened:
        yield opened


@pytest.fixture(scope="module")
def portraits() -> list[tuple[RgbImage, Points]]:
    """Return images of faces with their ten points in px."""
    drawn = []
    for seed in range(PORTRAITS):
        rng = np.random.default_rng(seed)
        image, points = render_face(
            sample_person(rng), sample_expression(seed % 8, rng), sample_scene(rng), SIDE_PX
        )
        drawn.append((image, points * SIDE_PX))
    return drawn


def cut_to_face(image: RgbImage, points: Points) -> tuple[RgbImage, Points]:
    """Cut an image to the eyes, the nose and the mouth of a face, with little around them."""
    box = Box.around(points).square(0.1)
    inside = Box(max(0, box.left), max(0, box.top), min(SIDE_PX, box.right), min(SIDE_PX, box.bottom))
    return inside.crop(image), points - (inside.left, inside.top)


def errors_px(found: Points, points: Points, shape: tuple[int, ...]) -> float:
    ours = select_points(found, LANDMARK_SETS[10]) * (shape[1], shape[0])
    return float(np.linalg.norm(ours - points, axis=1).mean())


def test_detect__finds_faces_that_fill_the_image_where_they_are(
    tiled: TiledDetector, portraits: list[tuple[RgbImage, Points]]
) -> None:
    second_look = SecondLook(tiled)
    first, second, missed = [], [], 0
    for portrait, points in portraits:
        if seen := tiled.detect(portrait):
            first.append(errors_px(seen[0].mesh, points, portrait.shape))
        image, moved = cut_to_face(portrait, points)
        if not tiled.detect(image):
            found = second_look.detect(image)
            missed += not found
            second += [errors_px(face.mesh, moved, image.shape) for face in found[:1]]
            assert all(face.look.startswith("margin_") for face in found)
    assert len(second) + missed >= PORTRAITS / 2, "the detector finds these crops without a second look"
    assert missed <= 0.1 * (len(second) + missed)
    assert np.mean(second) <= 1.5 * np.mean(first)


def test_detect__finds_a_small_face_in_a_large_photograph(
    tiled: TiledDetector, portraits: list[tuple[RgbImage, Points]]
) -> None:
    image = np.full((1200, 1920, 3), 90, dtype=np.uint8)
    image[300:396, 1500:1596] = cv2.resize(portraits[0][0], (96, 96), interpolation=cv2.INTER_AREA)
    assert not tiled.detect(image)
    (face,) = SecondLook(tiled).detect(image)
    assert face.look == "part_4"
    expected = portraits[0][1] * 96 / SIDE_PX + (1500, 300)
    assert errors_px(face.mesh, expected, image.shape) < 3


def test_detect__invents_no_face(tiled: TiledDetector) -> None:
    second_look = SecondLook(tiled)
    assert not [
        name for name, image in images_without_faces() if tiled.detect(image) or second_look.detect(image)
    ]


def images_without_faces() -> Iterator[tuple[str, RgbImage]]:
    """Yield noise of several grains, stripes, checkers, gradients, text, and scenes of circles and lines."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        for grain in (4, 16, 64):
            small = rng.integers(0, 256, (grain, grain, 3), dtype=np.uint8)
            yield f"noise {grain} {seed}", cv2.resize(small, (200, 200), interpolation=cv2.INTER_CUBIC)
        rows, columns = np.mgrid[:200, :200]
        angle, width = rng.uniform(0, np.pi), rng.uniform(4, 40)
        wave = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) / width)
        yield f"stripes {seed}", np.uint8(127 + 120 * wave)[..., None].repeat(3, axis=2)
        text = np.full((200, 200, 3), 255, dtype=np.uint8)
        for line in range(9):
            words = "".join(chr(letter) for letter in rng.integers(97, 123, 12))
            cv2.putText(text, words, (5, 20 + 20 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 2)
        yield f"text {seed}", text
        scene = np.full((200, 200, 3), rng.integers(0, 256, 3), dtype=np.uint8)
        for _ in range(10):
            x, y, x2, y2, size = rng.integers(0, 200, 5).tolist()
            color = rng.integers(0, 256, 3).tolist()
            cv2.circle(scene, (x, y), size // 5, color, -1)
            cv2.line(scene, (x, y), (x2, y2), color, 1 + size // 30)
        yield f"scene {seed}", scene


def test_looks__are_ordered_and_few() -> None:
    names = [look.name for look in looks(350, 350)]
    assert names == ["margin_0.5", "margin_0.75", "margin_1", "margin_0.25"]
    in_large = [look.name for look in looks(1920, 1080)]
    assert in_large[:4] == names
    assert (in_large.count("part_2"), in_large.count("part_4")) == (6, 28)


def test_detect__keeps_the_largest_of_several_faces(
    model_bundle: Path, portraits: list[tuple[RgbImage, Points]]
) -> None:
    """The detector returns the face with the highest score, often the smaller one if the other is tilted."""
    tilt = cv2.getRotationMatrix2D((180, 180), 60, 1)
    smaller = 0
    with (
        MediaPipeDetector(model_bundle, 1) as single,
        DetectorOptions(model_bundle, max_faces=1).create_detector() as detector,
    ):
        for (large, _), (small, _) in pairwise(portraits[:20]):
            image = np.full((400, 700, 3), 128, dtype=np.uint8)
            image[20:380, 20:380] = cv2.warpAffine(cv2.resize(large, (360, 360)), tilt, (360, 360))
            image[150:290, 500:640] = cv2.resize(small, (140, 140), interpolation=cv2.INTER_AREA)
            (face,) = detector.detect(image)
            assert face.box.right < 0.6
            smaller += single.detect(image)[0].box.left > 0.6
    assert smaller >= 4, "the detector alone returns the largest face of these pairs"


def test_detect__of_all_faces_takes_those_of_every_look_each_once(
    tiled: TiledDetector, portraits: list[tuple[RgbImage, Points]]
) -> None:
    image, corners = np.full((1200, 1920, 3), 90, dtype=np.uint8), [(200, 150), (1500, 300), (900, 900)]
    sides = (96, 110, 130)
    for (portrait, _), (left, top), side in zip(portraits, corners, sides, strict=False):
        small = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
        image[top : top + side, left : left + side] = small
    assert not tiled.detect(image)
    found = SecondLook(TiledDetector(tiled.detector, 1, 0)).detect(image)
    size = (image.shape[1], image.shape[0])
    centers = [face.box.to_px(*size).center for face in found]
    for (x, y), (left, top), side in zip(centers, reversed(corners), reversed(sides), strict=True):
        assert left < x < left + side
        assert top < y < top + side
    assert len(SecondLook(tiled).detect(image)) == 1
