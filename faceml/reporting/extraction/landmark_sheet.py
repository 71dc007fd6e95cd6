"""Contact sheets of the images of a landmark table with their landmarks."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from PIL import Image, ImageOps

from faceml.datasets import ImageFiles
from faceml.landmarks import draw_landmarks
from faceml.page import Tile, fit
from faceml.reporting.extraction.table_images import TableImage, read_images, read_rows
from faceml.tables import Status, landmark_column, read_table
from faceml.tasks import AFFECTNET8

FOLDER_NAMES = {text: name for number, name in enumerate(AFFECTNET8) for text in (str(number), name)}
"""Expressions by the names of folders: AffectNet's numbers, or the expressions."""
MISSED_SHARE = 0.25
"""Largest share of images without landmarks in a sample."""
MISSED_RGB = (213, 94, 0)  # vermillion, Okabe & Ito's colour-blind safe palette
BLANK_RGB = (216, 220, 226)
DECODED: tuple[Status, ...] = ("ok", "no_face")
"""Statuses of images that are decoded. Images that crashed a detector process might crash this one too."""


def landmark_tiles(
    table: str | Path,
    images: ImageFiles | None,
    most: int,
    num_landmarks: int,
    tile_px: int,
    seed: int = 0,
) -> list[Tile]:
    """Draw a random sample of a table's images with their landmarks.

    The sample is balanced over the folders, so that rare ones are included. Images without landmarks come
    last, framed, with their status as caption.

    Args:
        table: Landmark table, a path or URI.
        images: The folder that was extracted; None reads the table's column `image_jpeg`.
        most: Maximum number of images.
        num_landmarks: 5 or 10.
        tile_px: Longer side of the returned images in px.
        seed: Seed of the sample.

    Raises:
        ConfigError: The table cannot be read, or there is neither a folder nor copies of the images.
    """
    rows = read_table(table, ["folder", "status"])
    folders = rows["folder"].combine_chunks().dictionary_encode()
    found = pc.equal(rows["status"], "ok").to_numpy()
    chosen = _sample(folders.indices.to_numpy(), found, most, seed)
    by_folder = [("folder", "ascending"), ("image_id", "ascending")]
    image_ids = [rows.take(group).sort_by(by_folder)["image_id"].to_pylist() for group in chosen]
    return chosen_tiles(table, images, list(chain(*image_ids)), num_landmarks, tile_px)


def chosen_tiles(
    table: str | Path,
    images: ImageFiles | None,
    image_ids: Sequence[str],
    num_landmarks: int,
    tile_px: int,
    *,
    close_up: bool = False,
) -> list[Tile]:
    """Draw the given images of a table with their landmarks.

    Args:
        table: Landmark table, a path or URI.
        images: The folder that was extracted; None reads the table's column `image_jpeg`.
        image_ids: Images to draw, in order.
        num_landmarks: 5 or 10.
        tile_px: Longer side of the returned images in px.
        close_up: Crop the images to the surroundings of the landmarks.

    Raises:
        ConfigError: There is neither a folder nor copies of the images.
    """
    points = landmark_column(num_landmarks)
    rows = read_rows(table, image_ids, ["folder", "status", points])
    shown = [row["image_id"] for row in rows if row["status"] in DECODED]
    found = dict(zip(shown, read_images(table, images, shown), strict=True))
    return [_tile(row, found.get(row["image_id"]), row[points], tile_px, close_up) for row in rows]


def folder_name(folder: str) -> str:
    """Return the expression that a folder is named after, or the folder's name."""
    return FOLDER_NAMES.get(folder.lower(), folder or ".")


def _sample(
    folders: npt.NDArray[np.integer], found: npt.NDArray[np.bool_], most: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Sample rows with and rows without landmarks, balanced over the folders."""
    order = np.random.default_rng(seed).permutation(len(folders))
    ok, missed = order[found[order]], order[~found[order]]
    room = max(round(MISSED_SHARE * most), most - len(ok))
    return _balanced(ok, folders, most - min(room, len(missed))), _balanced(missed, folders, room)


def _balanced(
    rows: npt.NDArray[np.int64], folders: npt.NDArray[np.integer], most: int
) -> npt.NDArray[np.int64]:
    """Take the first row of every folder, then the second of every folder, up to `most` rows."""
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
        inner = Image.fromarray(fit(image.pixels if image else blank, tile_px - 2 * border))
        return Tile(np.asarray(ImageOps.expand(inner, border, MISSED_RGB)), f"{row['status']}: {name}")
    landmarks = np.array(points, dtype=np.float32).reshape(-1, 2)
    if image is None:
        return Tile(draw_landmarks(blank, landmarks), name)
    shown = image.close_up(landmarks) if close_up else image
    return Tile(draw_landmarks(fit(shown.pixels, tile_px), shown.place(landmarks)), name)
