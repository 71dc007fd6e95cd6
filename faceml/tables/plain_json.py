"""The plain JSON form of landmarks, for scripts that know no tables."""

import json
from pathlib import Path

from faceml.storage import StorageFolder, place_below, split_place
from faceml.tables.landmark_table import read_table
from faceml.tables.schema import landmark_column


def export_json(
    table: str | Path, file: str | Path, num_landmarks: int, images: str | Path | None = None
) -> int:
    """Write `{image_path: [[x1, y1], …]}` of all images with landmarks; coordinates are normalised.

    Args:
        table: Landmark table, a path or URI.
        file: Written whole or not at all, at a path or URI.
        num_landmarks: 5 or 10.
        images: Put before each image's path; by default paths are relative to the folder that was extracted.

    Returns:
        Number of images written.
    """
    column = landmark_column(num_landmarks)
    rows = read_table(table, [column])
    landmarks = {
        place_below(images, image_id) if images else image_id: [
            [round(points[i], 6), round(points[i + 1], 6)] for i in range(0, len(points), 2)
        ]
        for image_id, points in zip(rows["image_id"].to_pylist(), rows[column].to_pylist(), strict=True)
        if points is not None
    }
    folder, name = split_place(file)
    text = json.dumps(landmarks, indent=1, ensure_ascii=False) + "\n"
    StorageFolder(folder).write(name, text.encode())
    return len(landmarks)
