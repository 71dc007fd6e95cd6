"""A sample of a landmark table as a contact sheet: do the points sit where they should?"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from faceml.datasets.labels import EXPRESSIONS, expression_label
from faceml.datasets.landmark_table import read_table
from faceml.images import RgbImage, decode_image
from faceml.landmarks.draw import draw_landmarks
from faceml.reporting.contact_sheet import contact_sheet, fit
from faceml.schema import landmark_column

MISSED_SHARE = 0.25
"""Largest share of a sample that goes to images without landmarks."""
MISSED_RGB = (213, 94, 0)  # vermillion of Okabe & Ito's colour-blind safe palette
BLANK_RGB = (216, 220, 226)


@dataclass(frozen=True)
class Tile:
    """One image of a sheet, uint8 of shape (H, W, 3), and the words below it."""

    image: RgbImage
    caption: str


def landmark_sheet(
    table: Path,
    images_root: Path | None,
    most: int,
    num_landmarks: int,
    columns: int = 4,
    tile_px: int = 160,
    seed: int = 0,
) -> RgbImage:
    """Return one contact sheet of `landmark_tiles`, uint8 of shape (H, W, 3)."""
    tiles = landmark_tiles(table, images_root, most, num_landmarks, tile_px, seed)
    return contact_sheet([tile.image for tile in tiles], [tile.caption for tile in tiles], columns, tile_px)


def landmark_tiles(
    table: Path, images_root: Path | None, most: int, num_landmarks: int, tile_px: int, seed: int = 0
) -> list[Tile]:
    """Draw a sample of a table's images with their landmarks.

    The sample takes turns among the folders, so that rare ones are seen too. Images without landmarks come
    last, framed, with their status as caption.

    Args:
        table: Landmark table.
        images_root: The folder that was extracted; None reads the table's column `image_jpeg`.
        most: Images in the sample, if the table has as many.
        num_landmarks: 5 or 10.
        tile_px: Length of the longer side of every image returned.
        seed: Of the sample.

    Raises:
        ConfigError: No usable table, or neither a folder nor copies of the images.
    """
    points = landmark_column(num_landmarks)
    rows = read_table(table, ["folder", "status", points])
    chosen = _sample(rows["folder"].to_pylist(), rows["status"].to_pylist(), most, seed)
    sample = rows.take(chosen).to_pylist()
    encoded = (
        [_file_bytes(images_root / row["image_id"]) for row in sample]
        if images_root
        else read_table(table, ["image_jpeg"])["image_jpeg"].take(chosen).to_pylist()
    )
    return [_tile(row, data, row[points], tile_px) for row, data in zip(sample, encoded, strict=True)]


def _sample(folders: list[str], statuses: list[str], most: int, seed: int) -> list[int]:
    """Choose rows: those with landmarks by folder, then those without by folder."""
    order = np.random.default_rng(seed).permutation(len(folders)).tolist()
    found = [index for index in order if statuses[index] == "ok"]
    missed = [index for index in order if statuses[index] != "ok"]
    room = max(round(MISSED_SHARE * most), most - len(found))
    groups = (_take_turns(found, folders, most - min(room, len(missed))), _take_turns(missed, folders, room))
    return [index for group in groups for index in sorted(group, key=lambda index: (folders[index], index))]


def _take_turns(indices: list[int], folders: list[str], most: int) -> list[int]:
    """Take the first of every folder, then the second of every folder, until there are `most`."""
    turns: dict[str, int] = defaultdict(int)
    by_turn = []
    for index in indices:
        by_turn.append((turns[folders[index]], index))
        turns[folders[index]] += 1
    return [index for _, index in sorted(by_turn, key=lambda item: item[0])[:most]]


def _tile(row: dict[str, Any], data: bytes | None, points: list[float] | None, tile_px: int) -> Tile:
    decoded = decode_image(data) if data else "unreadable"
    image = (
        np.full((tile_px, tile_px, 3), BLANK_RGB, dtype=np.uint8)
        if isinstance(decoded, str)
        else fit(decoded, tile_px)
    )
    name = folder_name(row["folder"])
    if points is None:
        border = max(2, tile_px // 24)
        inner = ImageOps.crop(Image.fromarray(image), border)
        return Tile(np.asarray(ImageOps.expand(inner, border, MISSED_RGB)), f"{row['status']}: {name}")
    return Tile(draw_landmarks(image, np.array(points, dtype=np.float32).reshape(-1, 2)), name)


def folder_name(folder: str) -> str:
    """Return a folder's expression if it stands for one, or else its own name."""
    label = expression_label(folder)
    return folder or "." if label is None else EXPRESSIONS[label]


def _file_bytes(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None
