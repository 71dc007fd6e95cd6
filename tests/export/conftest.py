"""Fixtures of exports: an untrained network as a checkpoint and as files, and a few faces."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.export import ExportedProgram

from faceml.export.exportable import Exportable, load_exportable
from faceml.export.onnx_file import write_onnx
from faceml.export.program import export_program
from faceml.images.decoding import encode_jpeg
from faceml.images.framing import Framing
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from tests.random_model import OTHERS, POSE, WITH_POSE, write_random_model

SIDE = 32
TASKS = WITH_POSE | {"landmarks": {"kind": "landmarks", "points": 10}} | OTHERS
"""A task of each kind, and the head pose."""
SHAPES = {
    "probabilities": (8,),
    "logits": (8,),
    "landmarks": (10, 2),
    "pose": (3,),
    "happy_probabilities": (2,),
    "happy_logits": (2,),
    "units_probabilities": (3,),
    "units_logits": (3,),
    "affect": (2,),
    "embedding": (16,),
}
"""Shapes of the outputs for one image, in order."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Limit threads, because tests share the machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `best_model.pt` of `faceml train`."""
    file = tmp_path_factory.mktemp("trained") / "best_model.pt"
    points = np.random.default_rng(0).uniform(0.2, 0.8, (3, 10, 2))
    framing = Framing.of(points, np.array([[90.0, 120.0]] * 3))
    write_random_model(file, TASKS, SIDE, num_landmarks=10, framing=framing)
    return file


@pytest.fixture(scope="session")
def exportable(checkpoint: Path) -> Exportable:
    return load_exportable(checkpoint)


@pytest.fixture(scope="session")
def program(exportable: Exportable) -> ExportedProgram:
    return export_program(exportable.graph)


@pytest.fixture(scope="session")
def onnx_file(
    exportable: Exportable, program: ExportedProgram, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    file = tmp_path_factory.mktemp("onnx") / "model.onnx"
    write_onnx(program, exportable.graph, 18, exportable.metadata, file)
    return file


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `table`, its `images`: 24 of several sizes, every seventh without landmarks, and `labels.csv`."""
    root, rng = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    rows = []
    for i in range(24):
        row: dict[str, Any] = {"image_id": f"{i % 8}/{i:03d}.jpg", "folder": str(i % 8)}
        row["status"] = "ok" if i % 7 else "no_face"
        if i % 7:
            row |= {f"landmarks_{n}": rng.random(2 * n, dtype=np.float32) for n in (5, 10)}
            row |= {name: rng.normal(0, 20) for name in POSE["target"]}
        patches = rng.integers(0, 256, (3 + i % 4, 3 + i % 3, 3), dtype=np.uint8)
        file = root / "images" / row["image_id"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_jpeg(patches.repeat(16, axis=0).repeat(16, axis=1), 90))
        rows.append(row)
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"))
    write_shard(rows, schema, root / "table" / "a.parquet")
    lines = ["image_id,happy,au01,au02,au04,valence,arousal"]
    for i, row in enumerate(rows):
        labels = [str(value) if value < 2 else "" for value in rng.integers(0, 3, 3)]
        happy = "yes" if i % 8 == 1 else "no"
        lines.append(",".join([row["image_id"], happy, *labels, *map(str, rng.uniform(-1, 1, 2).round(3))]))
    (root / "labels.csv").write_text("\n".join(lines))
    return root
