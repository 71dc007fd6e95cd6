"""Landmark sheets: which images, which points, which marks."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceml.config.config_error import ConfigError
from faceml.datasets.image_source import ImageFiles
from faceml.images.decoding import encode_jpeg
from faceml.landmarks.draw import LEFT_RGB, point_colors
from faceml.page.contact_sheet import TILE_PX, sheet_pictures
from faceml.reporting.extraction.landmark_sheet import (
    BLANK_RGB,
    MISSED_RGB,
    chosen_tiles,
    folder_name,
    landmark_tiles,
)
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.sorted_rows import read_table
from tests.crowd_table import COLORS, CROWDS, HEIGHT, SHAPE, WIDTH, write_crowd_table

GRAY_RGB = (128, 128, 128)


@pytest.mark.parametrize("num_landmarks", [5, 10])
def test_landmark_tiles__points_are_drawn_where_the_table_says(
    extraction_run: Path, num_landmarks: int
) -> None:
    root = extraction_run.parent
    tile = landmark_tiles(root / "table", ImageFiles(root / "images"), 1, num_landmarks, tile_px=400)[0].image
    assert tile.shape == (400, 400, 3)
    colors = point_colors(LANDMARK_SETS[num_landmarks].flip_permutation)
    for point, rgb in enumerate(colors):
        x, y = round((0.1 + 0.08 * point) * 400), round((0.15 + 0.07 * point) * 400)
        assert tuple(tile[y, x]) == rgb
    painted = (tile != GRAY_RGB).any(axis=2).mean()
    assert 0 < painted < 0.01 * num_landmarks


def test_landmark_tiles__takes_turns_among_folders_and_keeps_a_share_for_the_missed(
    extraction_run: Path,
) -> None:
    root = extraction_run.parent
    captions = [
        tile.caption for tile in landmark_tiles(root / "table", ImageFiles(root / "images"), 8, 5, tile_px=32)
    ]
    found = Counter(captions[:6])
    assert captions[:6] == sorted(captions[:6], key=["neutral", "surprise", "contempt"].index)
    assert found["contempt"] == 1
    assert {found["neutral"], found["surprise"]} == {2, 3}
    assert len(captions) == 8
    assert all(":" in caption for caption in captions[6:])


def test_landmark_tiles__a_table_smaller_than_wanted_is_shown_whole(extraction_run: Path) -> None:
    root = extraction_run.parent
    tiles = landmark_tiles(root / "table", ImageFiles(root / "images"), 100, 5, tile_px=48)
    assert Counter(tile.caption for tile in tiles) == {
        "neutral": 6,
        "surprise": 3,
        "contempt": 1,
        "no_face: surprise": 1,
        "no_face: contempt": 1,
        "undecodable: contempt": 1,
    }
    for tile in tiles:
        framed = (tile.image[0] == MISSED_RGB).all() and (tile.image[:, -1] == MISSED_RGB).all()
        assert framed == (":" in tile.caption)
        centre = tuple(tile.image[40, 4])
        assert centre == (BLANK_RGB if tile.caption.startswith("undecodable") else GRAY_RGB)


def test_landmark_tiles__same_seed_same_sample(extraction_run: Path) -> None:
    root = extraction_run.parent
    first, again = (
        landmark_tiles(root / "table", ImageFiles(root / "images"), 6, 5, 32, seed=3) for _ in range(2)
    )
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, again, strict=True))


def test_landmark_tiles__table_without_copies_needs_a_folder(extraction_run: Path) -> None:
    with pytest.raises(ConfigError, match="image_jpeg"):
        landmark_tiles(extraction_run.parent / "table", None, 4, 5, tile_px=32)


def test_landmark_tiles__images_that_crashed_the_detector_are_not_decoded(tmp_path: Path) -> None:
    rows = [
        {"image_id": f"{status}.png", "folder": "", "status": status} for status in ("crashed", "no_face")
    ]
    for row in rows:
        Image.new("RGB", (40, 40), GRAY_RGB).save(tmp_path / row["image_id"])
    write_shard(rows, landmark_schema(table_metadata({}, {}, "0")), tmp_path / "table" / "part.parquet")
    crashed, missed = landmark_tiles(tmp_path / "table", ImageFiles(tmp_path), 8, 5, tile_px=40)
    assert [tile.caption for tile in (crashed, missed)] == ["crashed: .", "no_face: ."]
    assert (tuple(crashed.image[20, 20]), tuple(missed.image[20, 20])) == (BLANK_RGB, GRAY_RGB)


def test_chosen_tiles__maps_landmarks_of_the_whole_image_to_a_copy_of_the_face(
    extraction_run: Path, tmp_path: Path
) -> None:
    rows = read_table(extraction_run.parent / "table").slice(0, 1).to_pylist()
    gray = encode_jpeg(np.full((50, 50, 3), GRAY_RGB, dtype=np.uint8), 95)
    rows[0] |= {"image_jpeg": gray, "crop_box": [0.1, 0.15, 0.6, 0.65]}
    schema = landmark_schema(table_metadata({}, {}, "0"), with_image=True, with_crop=True)
    write_shard(rows, schema, tmp_path / "part.parquet")
    tile = chosen_tiles(tmp_path, None, [rows[0]["image_id"]], 5, 400)[0].image
    for point, rgb in enumerate(point_colors(LANDMARK_SETS[5].flip_permutation)):
        x, y = (round(step * point / 0.5 * 400) for step in (0.08, 0.07))
        assert tuple(tile[y, x]) == rgb


@pytest.mark.parametrize(
    ("folder", "name"), [("0", "neutral"), ("Fear", "fear"), ("person_8", "person_8"), ("", ".")]
)
def test_folder_name__expression_or_the_folder_itself(folder: str, name: str) -> None:
    assert folder_name(folder) == name


@pytest.mark.parametrize("size", [(1200, 60), (60, 1200), (1200, 1), (1, 1), (3, 2)])
def test_landmark_tiles__of_any_shape_without_a_face(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, GRAY_RGB).save(tmp_path / "a.png")
    rows = [{"image_id": "a.png", "folder": "", "status": "no_face"}]
    write_shard(rows, landmark_schema(table_metadata({}, {}, "0")), tmp_path / "table" / "part.parquet")
    (tile,) = landmark_tiles(tmp_path / "table", ImageFiles(tmp_path), 8, 5, TILE_PX)
    assert max(tile.image.shape) == TILE_PX
    assert (tile.image[0] == MISSED_RGB).all()
    assert (tile.image[:, -1] == MISSED_RGB).all()
    assert len(sheet_pictures([tile], "Sample", "images")) == 1


def test_landmark_tiles__of_all_faces_are_images_with_a_box_around_each_face(tmp_path: Path) -> None:
    root = write_crowd_table(tmp_path)
    tiles = landmark_tiles(root / "table", ImageFiles(root / "images"), 100, 5, tile_px=WIDTH)
    by_caption = {tile.caption: tile.image for tile in tiles}
    assert list(by_caption) == [
        "neutral: 2 faces", "happy: 1 face", "happy: 3 faces", "undecodable: neutral", "no_face: sad"
    ]  # fmt: skip
    image = by_caption["happy: 3 faces"]
    assert image.shape == (HEIGHT, WIDTH, 3)
    colors = point_colors(LANDMARK_SETS[5].flip_permutation)
    for left, top, side in CROWDS["1/three.jpg"]:
        for x, y in ((left, top), (left + side - 1, top), (left + side // 2, top + side - 1)):
            assert tuple(image[y, x]) == LEFT_RGB
        for (x, y), rgb in zip(SHAPE * side + (left, top), colors, strict=True):
            assert tuple(image[int(y), int(x)]) == rgb


def test_landmark_tiles__copies_of_all_faces_show_one_face_each(tmp_path: Path) -> None:
    root = write_crowd_table(tmp_path)
    tiles = landmark_tiles(root / "table", None, 100, 5, tile_px=48)
    assert [tile.caption for tile in tiles] == [
        *["neutral"] * 2, *["happy"] * 4, "undecodable: neutral", "no_face: sad"
    ]  # fmt: skip
    numbers = [0, 1, 0, 0, 1, 2]
    for tile, number in zip(tiles, numbers, strict=False):
        assert np.abs(tile.image[-3, -3].astype(int) - COLORS[number]).max() < 6


def test_chosen_tiles__of_one_of_several_faces_is_close_up(tmp_path: Path) -> None:
    root = write_crowd_table(tmp_path)
    names = ["1/three.jpg#2", "0/pair.jpg"]
    tiles = chosen_tiles(root / "table", ImageFiles(root / "images"), names, 5, 100, close_up=True)
    for tile, number in zip(tiles, (2, 0), strict=True):
        assert np.abs(tile.image[50, 20].astype(int) - COLORS[number]).max() < 6
