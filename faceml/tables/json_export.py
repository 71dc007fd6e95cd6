"""Export of landmarks as JSON."""

import json
from collections.abc import Mapping
from pathlib import Path

from faceml.storage import Places, StorageFolder, place_below, split_place
from faceml.tables.face_rows import FACE
from faceml.tables.schema import landmark_column
from faceml.tables.sorted_rows import read_table


def export_json(table: str | Path, file: str | Path, num_landmarks: int, images: Places | None = None) -> int:
    """Write `{image_path: [[x1, y1], …]}` of all images with landmarks; coordinates are normalised.

    Of a table with one row per face, an image has a list of its faces: `{image_path: [[[x1, y1], …], …]}`.

    Args:
        table: Landmark table, a path or URI.
        file: JSON file, a path or URI; written atomically.
        num_landmarks: 5 or 10.
        images: Folder put before each image's path, or folders by the names of their sources; by default
            the names of images are written as they are in the table.

    Returns:
        Number of images written.
    """
    column = landmark_column(num_landmarks)
    rows = read_table(table, [column])
    faces = dict[str, list[list[list[float]]]]()
    for image_id, points in zip(rows["image_id"].to_pylist(), rows[column].to_pylist(), strict=True):
        if points is not None:
            pairs = [[round(x, 6), round(y, 6)] for x, y in zip(points[::2], points[1::2], strict=True)]
            faces.setdefault(_place_of(image_id, images), []).append(pairs)
    has_all = FACE in rows.column_names
    landmarks = {place: found if has_all else found[0] for place, found in faces.items()}
    folder, name = split_place(file)
    text = json.dumps(landmarks, indent=1, ensure_ascii=False) + "\n"
    StorageFolder(folder).write(name, text.encode())
    return len(landmarks)


def _place_of(image_id: str, images: Places | None) -> str:
    if isinstance(images, Mapping):
        source, _, path = image_id.partition("/")
        return place_below(images[source], path) if source in images else image_id
    return place_below(images, image_id) if images else image_id
