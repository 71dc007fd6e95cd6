"""Fixtures of exports: an untrained network as a checkpoint and as files, and a few faces."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from faceml.config.sections import ModelConfig
from faceml.datasets.preprocessing import Preprocessing
from faceml.export.exportable import Exportable, load_exportable
from faceml.export.onnx_file import write_onnx
from faceml.export.program import export_program
from faceml.images.decoding import encode_jpeg
from faceml.models.multitask import build_multitask_model
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.training.checkpoint import model_checkpoint, write_state

SIDE = 32


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Limit threads, because tests share the machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def unlike_at_first(network: nn.Module) -> nn.Module:
    """Set statistics of batch norms as after a training, so that errors in them have an effect."""
    for name, values in network.named_buffers():
        if name.endswith("running_mean"):
            nn.init.normal_(values, std=0.1)
        elif name.endswith("running_var"):
            nn.init.uniform_(values, 0.5, 2.0)
    return network


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `best_model.pt` of `faceml train`."""
    torch.manual_seed(0)
    settings = {
        "model": {"backbone": "resnet18", "weights": "none", "embedding_dim": 16},
        "data": {"image_size": SIDE, "num_landmarks": 10},
    }
    network = build_multitask_model(ModelConfig(embedding_dim=16), 10)
    unlike_at_first(network)
    file = tmp_path_factory.mktemp("trained") / "best_model.pt"
    write_state(model_checkpoint(network, settings, Preprocessing(SIDE), LANDMARK_SETS[10], {}), file)
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
    """A `table` and its `images`: 24 of several sizes, every seventh without landmarks."""
    root, rng = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    rows = []
    for i in range(24):
        row: dict[str, Any] = {"image_id": f"{i % 8}/{i:03d}.jpg", "folder": str(i % 8)}
        row["status"] = "ok" if i % 7 else "no_face"
        if i % 7:
            row |= {f"landmarks_{n}": rng.random(2 * n, dtype=np.float32) for n in (5, 10)}
        patches = rng.integers(0, 256, (3 + i % 4, 3 + i % 3, 3), dtype=np.uint8)
        file = root / "images" / row["image_id"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_jpeg(patches.repeat(16, axis=0).repeat(16, axis=1), 90))
        rows.append(row)
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"))
    write_shard(rows, schema, root / "table" / "a.parquet")
    return root
