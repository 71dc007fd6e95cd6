"""Images behind a table's rows: from their folder, from the table, whole or cut to the face."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from faceml.config.config_error import ConfigError
from faceml.datasets.image_source import ImageFiles
from faceml.images.decoding import encode_jpeg
from faceml.reporting.extraction.table_images import WHOLE_IMAGE, TableImage, read_images, read_rows
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata

METADATA = table_metadata({"name": "drawn"}, {}, "0")


def plain(rgb: tuple[int, int, int], width: int = 40, height: int = 20) -> npt.NDArray[np.uint8]:
    return np.full((height, width, 3), rgb, dtype=np.uint8)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Table of two shards, the images of which lie beside it in other colours than their copies."""
    for name, color in {"a": (0, 255, 0), "b": (0, 0, 255)}.items():
        Image.fromarray(plain(color)).save(tmp_path / f"{name}.png")
        row = {
            "image_id": f"{name}.png",
            "folder": "",
            "status": "ok",
            "image_jpeg": encode_jpeg(plain((255, 0, 0), 8, 8), 95),
            "crop_box": [0.25, 0.5, 0.5, 1.0] if name == "b" else None,
        }
        schema = landmark_schema(METADATA, with_image=True, with_crop=True)
        write_shard([row], schema, tmp_path / "table" / f"{name}.parquet")
    return tmp_path / "table"


def test_read_images__from_the_folder_in_the_order_asked_for(table: Path) -> None:
    (table.parent / "a.png").rename(table.parent / "gone")
    b, a = read_images(table, ImageFiles(table.parent), ["b.png", "a.png"])
    assert a is None
    assert b is not None
    assert (b.pixels == (0, 0, 255)).all()
    assert (b.box == WHOLE_IMAGE).all()
    assert read_images(table, ImageFiles(table.parent / "nowhere"), ["b.png"]) == [None]


def test_read_images__copies_know_which_part_they_show(table: Path) -> None:
    b, a = read_images(table, None, ["b.png", "a.png"])
    assert a is not None
    assert b is not None
    assert a.pixels.shape == b.pixels.shape == (8, 8, 3)
    assert (a.box == WHOLE_IMAGE).all()
    assert b.place(np.array([[0.25, 0.5], [0.375, 0.75], [0.5, 1.0]])).tolist() == [
        [0, 0],
        [0.5, 0.5],
        [1, 1],
    ]


def test_read_images__table_without_copies(tmp_path: Path) -> None:
    row = {"image_id": "a.png", "folder": "", "status": "ok"}
    write_shard([row], landmark_schema(METADATA), tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="image_jpeg"):
        read_images(tmp_path, None, ["a.png"])


def test_read_rows__as_asked_for(table: Path) -> None:
    asked_for = ["b.png", "a.png", "b.png"]
    assert [row["image_id"] for row in read_rows(table, asked_for, ["status"])] == asked_for
    assert read_rows(table, [], ["status"]) == []


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (0.5, 0.25, 1, 0.75)])
@pytest.mark.parametrize("centre", [(0.6, 0.5), (0.95, 0.3), (0.52, 0.7)])
def test_close_up__shows_the_same_pixels_under_the_landmarks(
    box: tuple[float, ...], centre: tuple[float, float]
) -> None:
    """The image's colours are its own coordinates: what is under a point says where it is."""
    x, y = np.meshgrid(np.arange(200), np.arange(100))
    image = TableImage(np.stack([x, y, y], axis=2).astype(np.uint8), np.array(box, dtype=np.float32))
    points = np.array([centre]) + np.array([[-0.03, -0.04], [0.03, 0.04], [0.01, -0.02]])
    close = image.close_up(points)
    for point_before, point_after in zip(image.place(points), close.place(points), strict=True):
        height, width = close.pixels.shape[:2]
        column, row = (point_after * [width, height]).round().astype(int).clip(0, [width - 1, height - 1])
        expected = (point_before * [200, 100]).clip(0, [199, 99])
        assert np.abs(close.pixels[row, column, :2] - expected).max() <= 1
    assert close.pixels.size < image.pixels.size / 2


def test_close_up__of_landmarks_outside_of_the_image_is_not_empty() -> None:
    image = TableImage(plain((1, 2, 3)), WHOLE_IMAGE)
    for points in (np.full((5, 2), 3.0), np.full((5, 2), -2.0), np.array([[-9.0, -9.0], [9.0, 9.0]])):
        assert image.close_up(points).pixels.size > 0
