"""Contact sheets of the images of a landmark table with their landmarks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps

from faceml.datasets import ImageFiles
from faceml.images import Box
from faceml.landmarks import draw_box, draw_landmarks
from faceml.page import Tile, fit
from faceml.reporting.extraction.table_images import TableImage, column_names, read_images, read_rows
from faceml.tables import (
    DEFAULT_LIMITS,
    FACE,
    QueryLimits,
    Status,
    TableScan,
    face_names,
    first_row,
    key_columns,
    landmark_column,
    load_table,
    open_database,
    sorted_by_face,
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
    limits: QueryLimits = DEFAULT_LIMITS,
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
        limits: Limits of memory.

    Raises:
        ConfigError: The table cannot be read, or there is neither a folder nor copies of the images.
    """
    has_all = FACE in column_names(table)
    rows = _sample(table, most, seed, limits, whole_images=images is not None)
    if images and has_all:
        return _image_tiles(table, images, rows["image_id"].to_pylist(), num_landmarks, tile_px)
    return chosen_tiles(table, images, face_names(rows).to_pylist(), num_landmarks, tile_px)


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
    num_landmarks: int,
    tile_px: int,
) -> list[Tile]:
    """Draw images of a table of all faces, each with boxes and landmarks of its faces.

    Args:
        table: Landmark table, a path or URI.
        images: The folder that was extracted.
        image_ids: Images to draw, in order.
        num_landmarks: 5 or 10.
        tile_px: Longer side of the returned images in px.
    """
    every = pa.table(TableScan(table, key_columns(column_names(table)), image_ids=image_ids))
    names = face_names(sorted_by_face(every)).to_pylist()
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


def _sample(table: str | Path, most: int, seed: int, limits: QueryLimits, *, whole_images: bool) -> pa.Table:
    """Sample rows with and then rows without landmarks, balanced over the folders.

    Returns:
        Keys of the rows, those with landmarks and those without each sorted by folder and key.
    """
    keys = key_columns(column_names(table))
    order, wanted = ", ".join(keys), first_row(keys) if whole_images else "true"
    scan = TableScan(table, [*keys, "folder", "status"])
    with open_database(limits=limits) as database:
        query = f"select {order}, folder, status = 'ok' as ok, hash({order}, {seed}) as draw from rows"
        load_table(database, "sampled", scan, f"{query} where {wanted}")
        counted = "select count(*) filter (ok), count(*) filter (not ok) from sampled"
        ((num_ok, num_missed),) = database.execute(counted).fetchall()
        room = max(round(MISSED_SHARE * most), most - num_ok)
        parts = []
        for is_ok, number in (("ok", most - min(room, num_missed)), ("not ok", room)):
            # The first row of every folder, then the second of every folder, and so on.
            turn = f"row_number() over (partition by folder order by draw, {order}) as turn"
            chosen = (
                f"select * from (select *, {turn} from sampled where {is_ok}) "
                f"order by turn, draw, {order} limit {number}"
            )
            found = f"select {order} from ({chosen}) order by folder, {order}"
            parts.append(database.sql(found).to_arrow_table())
    return pa.concat_tables(parts)


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
