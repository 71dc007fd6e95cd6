"""Contact sheets of the images of a landmark table with their landmarks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageOps

from faceml.datasets import ImageFiles
from faceml.images import Box
from faceml.landmarks import draw_box, draw_landmarks
from faceml.page import Tile, fit
from faceml.reporting.extraction.table_images import TableImage, read_images, read_rows
from faceml.tables import (
    FACE,
    Status,
    face_names,
    first_rows,
    key_columns,
    landmark_column,
    read_table,
)
from faceml.tasks import AFFECTNET8

FOLDER_NAMES = {text: name for number, name in enumerate(AFFECTNET8) for text in (str(number), name)}
"""Expressions by the names of folders: AffectNet's numbers, or the expressions."""
MISSED_SHARE = 0.25
"""Largest share of images without landmarks in a sample."""
MISSED_RGB = (213, 94, 0)  # vermillion, Okabe & Ito's colour-blind safe palette
BLANK_RGB = (216, 220, 226)
POINTS_ACROSS = 40
"""Radii of a landmark across a face that is one of several in an image."""
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
    last, framed, with their status as caption. Of a table of all faces, images are drawn with all of their
    faces, and copies with the face that they show.

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
    every = read_table(table, ["folder", "status"])
    rows = first_rows(every) if images else every
    folders = rows["folder"].combine_chunks().dictionary_encode()
    found = pc.equal(rows["status"], "ok").to_numpy()
    chosen = _sample(folders.indices.to_numpy(), found, most, seed)
    by_folder = [(name, "ascending") for name in ("folder", *key_columns(rows.column_names))]
    ordered = [rows.take(group).sort_by(by_folder) for group in chosen]
    if images and FACE in every.column_names:
        image_ids = [image for part in ordered for image in part["image_id"].to_pylist()]
        return _image_tiles(table, images, image_ids, every, num_landmarks, tile_px)
    names = [name for part in ordered for name in face_names(part).to_pylist()]
    return chosen_tiles(table, images, names, num_landmarks, tile_px)


def chosen_tiles(
    table: str | Path,
    images: ImageFiles | None,
    names: Sequence[str],
    num_landmarks: int,
    tile_px: int,
    *,
    close_up: bool = False,
) -> list[Tile]:
    """Draw the given rows of a table, each an image with the landmarks of one face.

    Args:
        table: Landmark table, a path or URI.
        images: The folder that was extracted; None reads the table's column `image_jpeg`.
        names: Names of the rows to draw, in order; see `face_names`.
        num_landmarks: 5 or 10.
        tile_px: Longer side of the returned images in px.
        close_up: Crop the images to the surroundings of the landmarks.

    Raises:
        ConfigError: There is neither a folder nor copies of the images.
    """
    points = landmark_column(num_landmarks)
    rows = dict(zip(names, read_rows(table, names, ["folder", "status", points]), strict=True))
    shown = [name for name, row in rows.items() if row["status"] in DECODED]
    found = dict(zip(shown, read_images(table, images, shown), strict=True))
    return [_tile(rows[name], found.get(name), rows[name][points], tile_px, close_up) for name in names]


def _image_tiles(
    table: str | Path,
    images: ImageFiles,
    image_ids: Sequence[str],
    every: pa.Table,
    num_landmarks: int,
    tile_px: int,
) -> list[Tile]:
    """Draw images of a table of all faces, each with boxes and landmarks of its faces.

    Args:
        table: Landmark table, a path or URI.
        images: The folder that was extracted.
        image_ids: Images to draw, in order.
        every: Rows of the table.
        num_landmarks: 5 or 10.
        tile_px: Longer side of the returned images in px.
    """
    names = face_names(every.filter(pc.is_in(every["image_id"], pa.array(image_ids)))).to_pylist()
    points = landmark_column(num_landmarks)
    faces: dict[str, list[dict[str, Any]]] = {}
    for row in read_rows(table, names, ["folder", "status", "box", points]):
        faces.setdefault(row["image_id"], []).append(row)
    shown = [image for image in image_ids if faces[image][0]["status"] in DECODED]
    found = dict(zip(shown, read_images(table, images, shown), strict=True))
    return [_image_tile(faces[image], found.get(image), points, tile_px) for image in image_ids]


def _image_tile(rows: list[dict[str, Any]], image: TableImage | None, points: str, tile_px: int) -> Tile:
    if rows[0][points] is None:
        return _tile(rows[0], image, None, tile_px, close_up=False)
    pixels = fit(image.pixels, tile_px) if image else np.full((tile_px, tile_px, 3), BLANK_RGB, np.uint8)
    for row in rows:
        box = Box(*row["box"])
        landmarks = np.array(row[points], dtype=np.float32).reshape(-1, 2)
        side_px = box.to_px(*pixels.shape[1::-1]).long_side
        pixels = draw_box(draw_landmarks(pixels, landmarks, radius_px=side_px / POINTS_ACROSS), box)
    number = f"{len(rows)} face{'s' if len(rows) > 1 else ''}"
    return Tile(pixels, f"{folder_name(rows[0]['folder'])}: {number}")


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
