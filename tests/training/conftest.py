"""Fixtures of trainings of a second: small images with random landmarks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceml.images.decoding import encode_jpeg
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata


@pytest.fixture(autouse=True)
def as_in_a_training(kept_memory: None, one_thread: None) -> None:
    """Set up this process for all tests of trainings."""


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tables` and `images` of the splits `train` (66 faces) and `val` (21), a few without landmarks.

    `labels` has a label table of each, with the columns `valence`, `arousal`, `smiles`, `au01`,
    `au02`, some of whose cells are empty.
    """
    root, rng = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    other = np.random.default_rng(1)  # the numbers of `rng` are those of recorded trainings
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"))
    for split, count in (("train", 66), ("val", 21)):
        rows = []
        for i in range(count):
            label = i % 8
            row: dict[str, Any] = {"image_id": f"{label}/{i:03d}.jpg", "folder": str(label)}
            pixels = rng.normal(30 * label + 20, 20, (40, 40, 3)).clip(0, 255).astype(np.uint8)
            file = root / "images" / split / row["image_id"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encode_jpeg(pixels, 90))
            row["status"] = "ok" if i % 7 else "no_face"
            if i % 7:
                row |= {f"landmarks_{n}": rng.random(2 * n, dtype=np.float32) for n in (5, 10)}
                row |= {f"{angle}_deg": other.normal(0, 20) for angle in ("yaw", "pitch", "roll")}
            rows.append(row)
        write_shard(rows, schema, root / "tables" / split / "a.parquet")
        write_labels([row["image_id"] for row in rows], other, root / "labels" / f"{split}.csv")
    return root


def write_labels(image_ids: list[str], rng: np.random.Generator, file: Path) -> None:
    lines = ["image_id,valence,arousal,smiles,au01,au02"]
    for number, image_id in enumerate(image_ids[:-1]):  # the last image has no row
        numbers = [f"{value:.3f}" for value in rng.uniform(-1, 1, 2)]
        cells = [*numbers, "yes" if number % 3 else "no", str(number % 2), str(number // 2 % 2)]
        if number % 5 == 4:
            cells[number % len(cells)] = ""
        lines.append(",".join([image_id, *cells]))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
