"""A sample of a landmark table as a contact sheet: do the points sit where they should?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from PIL import Image, ImageOps

from faceml.datasets import EXPRESSIONS, expression_label
from faceml.images import RgbImage
from faceml.landmarks import draw_landmarks
from faceml.page import contact_sheet, fit
from faceml.reporting.extraction.table_images import TableImage, read_images, read_rows
from faceml.tables import Status, landmark_column, read_table

MISSED_SHARE = 0.25
"""Largest share of a sample that goes to images without landmarks."""
MISSED_RGB = (213, 94, 0)  # vermillion of Okabe & Ito's colour-blind safe palette
BLANK_RGB = (216, 220, 226)
DECODED: tuple[Status, ...] = ("ok", "no_face")
"""Statuses of images that can be shown. What crashed a detector might crash this process too."""


@dataclass(frozen=True)
class Tile:
    """One image of a sheet, uint8 of shape (H, W, 3), and the words below it."""

    image: RgbImage
    caption: str


def landmark_sheet(
    table: str | Path,
    images_root: str | Path | None,
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
    table: str | Path,
    images_root: str | Path | None,
    most: int,
    num_landmarks: int,
    tile_px: int,
    seed: int = 0,
) -> list[Tile]:
    """Draw a sample of a table's images with their landmarks.

    The sample takes turns among the folders, so that rare ones are seen too. Images without landmarks come
    last, framed, with their status as caption.

    Args:
        table: Landmark table, a path or URI.
        images_root: The folder that was extracted; None reads the table's column `image_jpeg`.
        most: Images in the sample, if the table has as many.
        num_landmarks: 5 or 10.
        tile_px: Length of the longer side of every image returned.
        seed: Of the sample.

    Raises:
        ConfigError: No usable table, or neither a folder nor copies of the images.
    """
    rows = read_table(table, ["folder", "status"])
    folders = rows["folder"].combine_chunks().dictionary_encode()
    found = pc.equal(rows["status"], "ok").to_numpy()
    chosen = _sample(folders.indices.to_numpy(), found, most, seed)
    by_folder = [("folder", "ascending"), ("image_id", "ascending")]
    image_ids = [rows.take(group).sort_by(by_folder)["image_id"].to_pylist() for group in chosen]
    return chosen_tiles(table, images_root, list(chain(*image_ids)), num_landmarks, tile_px)


def chosen_tiles(
    table: str | Path,
    images_root: str | Path | None,
    image_ids: Sequence[str],
    num_landmarks: int,
    tile_px: int,
    *,
    close_up: bool = False,
) -> list[Tile]:
    """Draw images of a table with their landmarks, in the order given.

    Args:
        table: Landmark table, a path or URI.
        images_root: The folder that was extracted; None reads the table's column `image_jpeg`.
        image_ids: Rows of the table.
        num_landmarks: 5 or 10.
        tile_px: Length of the longer side of every image returned.
        close_up: Show the surroundings of the landmarks instead of the whole image.

    Raises:
        ConfigError: Neither a folder nor copies of the images.
    """
    points = landmark_column(num_landmarks)
    rows = read_rows(table, image_ids, ["folder", "status", points])
    shown = [row["image_id"] for row in rows if row["status"] in DECODED]
    images = dict(zip(shown, read_images(table, images_root, shown), strict=True))
    return [_tile(row, images.get(row["image_id"]), row[points], tile_px, close_up) for row in rows]


def folder_name(folder: str) -> str:
    """Return a folder's expression if it stands for one, or else its own name."""
    label = expression_label(folder)
    return folder or "." if label is None else EXPRESSIONS[label]


def _sample(
    folders: npt.NDArray[np.integer], found: npt.NDArray[np.bool_], most: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Choose rows with landmarks and rows without, from the number of each row's folder."""
    order = np.random.default_rng(seed).permutation(len(folders))
    ok, missed = order[found[order]], order[~found[order]]
    room = max(round(MISSED_SHARE * most), most - len(ok))
    return _take_turns(ok, folders, most - min(room, len(missed))), _take_turns(missed, folders, room)


def _take_turns(
    rows: npt.NDArray[np.int64], folders: npt.NDArray[np.integer], most: int
) -> npt.NDArray[np.int64]:
    """Take the first of every folder, then the second of every folder, until there are `most`."""
    by_folder = np.argsort(folders[rows], kind="stable")
    _, first, counts = np.unique(folders[rows][by_folder], return_index=True, return_counts=True)
    turn = np.empty(len(rows), dtype=np.int64)
    turn[by_folder] = np.arange(len(rows)) - np.repeat(first, counts)
    return rows[np.argsort(turn, kind="stable")[:most]]


def _tile(
    row: dict[str, Any], image: TableImage | None, points: list[float] | None, tile_px: int, close_up: bool
) -> Tile:
    name, blank = folder_name(row["folder"]), np.full((tile_px, tile_px, 3), BLANK_RGB, dtype=np.uint8)
    if points is None:
        border = max(2, tile_px // 24)
        inner = ImageOps.crop(Image.fromarray(fit(image.pixels, tile_px) if image else blank), border)
        return Tile(np.asarray(ImageOps.expand(inner, border, MISSED_RGB)), f"{row['status']}: {name}")
    landmarks = np.array(points, dtype=np.float32).reshape(-1, 2)
    if image is None:
        return Tile(draw_landmarks(blank, landmarks), name)
    shown = image.close_up(landmarks) if close_up else image
    return Tile(draw_landmarks(fit(shown.pixels, tile_px), shown.place(landmarks)), name)
