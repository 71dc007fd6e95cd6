"""A table of all faces: images of several faces, each a square of its own colour."""

from pathlib import Path
from typing import Any

import numpy as np

from faceml.images.box import Box
from faceml.images.decoding import RgbImage, encode_jpeg
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata

WIDTH, HEIGHT = 320, 200
MARGIN = 0.25
SHAPE = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.55], [0.35, 0.75], [0.65, 0.75]], dtype=np.float32)
"""The five points in fractions of a face's box."""
CROWDS: dict[str, list[tuple[int, int, int]]] = {
    "1/three.jpg": [(40, 60, 80), (180, 40, 60), (260, 140, 40)],
    "0/pair.jpg": [(60, 50, 60), (200, 80, 40)],
    "1/alone.jpg": [(120, 60, 80)],
    "2/nobody.jpg": [],
}
"""Left, top and side of the boxes in px, in no order of the names, as shards come."""
NAMES = ["0/pair.jpg", "0/pair.jpg#1", "1/alone.jpg", "1/three.jpg", "1/three.jpg#1", "1/three.jpg#2"]
NAMES += ["2/nobody.jpg"]
"""Names of the rows of decoded images, in the order of the table."""
COLORS = ((220, 40, 40), (40, 200, 60), (50, 60, 230))
"""Colour of face 0, 1 and 2 of an image."""
SEEN = (SHAPE + MARGIN) / (1 + 2 * MARGIN)
"""The five points in fractions of the part of an image that shows a face."""


def crop(square: tuple[int, int, int]) -> Box:
    """Return the part of an image that shows a face, in px."""
    left, top, side = square
    return Box(left, top, left + side, top + side).square(MARGIN)


def crowd(squares: list[tuple[int, int, int]]) -> RgbImage:
    """Return an image in which the part of each face has one colour."""
    image = np.full((HEIGHT, WIDTH, 3), 128, dtype=np.uint8)
    for square, rgb in zip(squares, COLORS, strict=False):
        part = crop(square)
        rows, columns = slice(int(part.top), int(part.bottom)), slice(int(part.left), int(part.right))
        image[rows, columns] = rgb
    return image


def crowd_rows(image_id: str) -> list[dict[str, Any]]:
    """Return the rows of an image, with cropped copies."""
    squares = CROWDS[image_id]
    shown: dict[str, Any] = {
        "image_id": image_id,
        "folder": image_id[0],
        "status": "ok" if squares else "no_face",
        "width": WIDTH,
        "height": HEIGHT,
        "num_faces": len(squares),
        "content_sha256": image_id.ljust(32).encode(),
        "dhash": list(CROWDS).index(image_id) * 0x0F0F_0F0F_0F0F,
    }
    rows = []
    for number, square in enumerate(squares):
        left, top, side = square
        points = (SHAPE * side + (left, top)) / (WIDTH, HEIGHT)
        part = crop(square)
        copy = encode_jpeg(np.full((48, 48, 3), COLORS[number], dtype=np.uint8), 97)
        rows.append(
            shown
            | {
                "face": number,
                "box": Box(left, top, left + side, top + side).normalize(WIDTH, HEIGHT).corners,
                "landmarks_5": points.ravel(),
                "landmarks_10": np.concatenate([points, points]).ravel(),
                **{f"{angle}_deg": float(10 * number) for angle in ("yaw", "pitch", "roll")},
                "look": "whole",
                "image_jpeg": copy,
                "crop_box": part.normalize(WIDTH, HEIGHT).corners,
            }
        )
    return rows or [shown | {"image_jpeg": encode_jpeg(crowd([]), 97)}]


def write_crowd_table(root: Path) -> Path:
    """Write `images` and a `table` of two shards into a folder, and return it; one file is no image."""
    copies = {"size": 48, "quality": 97, "crop": {"margin": MARGIN}, "align": False}
    settings = {"landmarker": {"max_faces": 0}, "output": {"embed": copies}}
    schema = landmark_schema(
        table_metadata({"name": "test", "version": "1", "model_sha256": "0"}, settings, "0"),
        with_faces=True,
        with_look=True,
        with_image=True,
        with_crop=True,
    )
    for image_id, squares in CROWDS.items():
        (root / "images" / image_id).parent.mkdir(parents=True, exist_ok=True)
        (root / "images" / image_id).write_bytes(encode_jpeg(crowd(squares), 97))
    (root / "images" / "0" / "text.jpg").write_text("no image")
    first, *others = (crowd_rows(image_id) for image_id in CROWDS)
    broken = {"image_id": "0/text.jpg", "folder": "0", "status": "undecodable"}
    write_shard(first, schema, root / "table" / "a.parquet")
    write_shard([row for rows in others for row in rows] + [broken], schema, root / "table" / "b.parquet")
    return root
