"""Landmark tables without a detector."""

from pathlib import Path
from typing import Any

import numpy as np

from faceml.config import ExtractConfig
from faceml.storage import StorageRoots
from faceml.tables.image_listing import list_images
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata


def write_random_landmarks(config: ExtractConfig) -> int:
    """Write a table with landmarks anywhere in all images, and return the number of its rows."""
    root, extensions = config.data.root, config.data.extensions
    rng = np.random.default_rng(0)
    with_source = not isinstance(root, str)
    rows = []
    for name in list_images(StorageRoots(root), extensions)["image_id"].to_pylist():
        row: dict[str, Any] = {"image_id": name, "folder": name.split("/")[with_source], "status": "ok"}
        row |= {f"landmarks_{n}": rng.random(2 * n, dtype=np.float32) for n in (5, 10)}
        rows.append(row | ({"source": name.split("/")[0]} if with_source else {}))
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"), with_source=with_source)
    write_shard(rows, schema, Path(config.output.table) / "a.parquet")
    return len(rows)
