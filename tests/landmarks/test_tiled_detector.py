"""Faces that are small in a large photo are found, each once and in its place."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from faceml.images.box import Box
from faceml.images.decoding import RgbImage, decode_image
from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.landmarks.tiled_detector import SMALLEST_TILE_PX, TiledDetector, tiles
from faceml.synthetic.generate import generate_faces

SIDE_PX = 180
CORNERS = ((60, 40), (560, 30), (1150, 380), (330, 640), (1000, 700))
"""Where faces have their top left pixels: x, y; some lie across the borders of tiles."""


@pytest.fixture(scope="module")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> list[RgbImage]:
    root = tmp_path_factory.mktemp("portraits")
    generate_faces(root / "faces", "affectnet", {"train": 5}, image_size_px=SIDE_PX, seed=4, processes=1)
    decoded = [decode_image(file.read_bytes()) for file in sorted((root / "faces" / "train").rglob("*.jpg"))]
    return [image for image in decoded if not isinstance(image, str)]


@pytest.fixture(scope="module")
def crowd(portraits: list[RgbImage]) -> RgbImage:
    canvas = np.full((900, 1400, 3), 128, dtype=np.uint8)
    for portrait, (x, y) in zip(portraits, CORNERS, strict=True):
        canvas[y : y + SIDE_PX, x : x + SIDE_PX] = portrait
    return canvas


def test_detect__finds_small_faces_each_once_where_it_is(
    crowd: RgbImage, portraits: list[RgbImage], model_bundle: Path, detector: MediaPipeDetector
) -> None:
    size = np.array([crowd.shape[1], crowd.shape[0]])
    with TiledDetector(MediaPipeDetector(model_bundle, 10), 2, 10) as tiled:
        found = tiled.detect(crowd)
        whole = TiledDetector(tiled.detector, 1, 10).detect(crowd)
    assert len(whole) < len(portraits) == len(found)
    assert [face.box.area for face in found] == sorted((face.box.area for face in found), reverse=True)
    for portrait, corner in zip(portraits, CORNERS, strict=True):
        (alone,) = detector.detect(portrait)
        expected = alone.mesh[:, :2] * SIDE_PX + corner
        apart = [np.abs(face.mesh[:, :2] * size - expected).mean() for face in found]
        assert min(apart) < 0.02 * SIDE_PX
        assert sum(distance < 0.3 * SIDE_PX for distance in apart) == 1


def test_detect__of_an_image_that_is_a_face_is_what_the_detector_finds(
    portraits: list[RgbImage], model_bundle: Path, detector: MediaPipeDetector
) -> None:
    (expected,) = detector.detect(portraits[0])
    with TiledDetector(MediaPipeDetector(model_bundle), 4, 1) as tiled:
        (face,) = tiled.detect(portraits[0])
    np.testing.assert_array_equal(face.mesh, expected.mesh)


def test_detect__of_a_large_face_does_not_find_its_parts(
    portraits: list[RgbImage], model_bundle: Path
) -> None:
    large = np.repeat(np.repeat(portraits[0], 6, axis=0), 6, axis=1)
    with TiledDetector(MediaPipeDetector(model_bundle, 10), 3, 10) as tiled:
        (face,) = tiled.detect(large)
    assert face.box.width > 0.3
    assert face.box.height > 0.3


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 4), st.data())
def test_tiles__whatever_is_half_as_large_lies_whole_in_one(
    width: int, height: int, levels: int, data: st.DataObject
) -> None:
    first, *others = tiles(width, height, levels)
    assert first == Box(0, 0, width, height)
    by_side: dict[float, list[Box]] = {}
    for tile in others:
        assert 0 <= tile.left <= tile.right <= width
        assert 0 <= tile.top <= tile.bottom <= height
        by_side.setdefault(tile.long_side, []).append(tile)
    for side, squares in by_side.items():
        assert side >= SMALLEST_TILE_PX
        face = int(side) // 2 - 1
        x = data.draw(st.integers(0, max(0, width - face)))
        y = data.draw(st.integers(0, max(0, height - face)))
        right, bottom = min(width, x + face), min(height, y + face)
        assert any(
            square.left <= x and square.top <= y and right <= square.right and bottom <= square.bottom
            for square in squares
        )
