"""Memory of a training worker against the number of rows of its table."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceml.config.sections.tasks import parse_tasks
from faceml.datasets import opened_rows
from faceml.datasets.face_dataset import FaceDataset
from faceml.datasets.identity_sampling import PKSampler
from faceml.datasets.labelled_faces import LabelledFaces
from faceml.datasets.person_dataset import AlignedPreprocessing, PersonDataset
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.sampling import ClassSampler
from faceml.datasets.targets import targets_of
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tasks.build import build_tasks

FEW, MANY = 4_000, 64_000
PEOPLE = 400


def write_table(folder: Path, count: int) -> Path:
    """A table of rows without images but the first; no face in every tenth."""
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"))
    rng, names = np.random.default_rng(0), [f"{n * PEOPLE // count % 8}/{n:06d}.jpg" for n in range(count)]
    undetected = np.arange(count) % 10 == 9
    known: dict[str, Any] = {
        "image_id": pa.array(names),
        "folder": pa.array([f"{n * PEOPLE // count:03d}" for n in range(count)]),
        "status": pa.array(np.where(undetected, "no_face", "ok")),
        "yaw_deg": pa.array(rng.normal(0, 20, count), pa.float32()),
    }
    for size in (10, 20):
        flat = pa.array(rng.random(size * count, dtype=np.float32))
        known[f"landmarks_{size // 2}"] = pa.FixedSizeListArray.from_arrays(
            flat, size, mask=pa.array(undetected)
        )
    arrays = [known.get(field.name, pa.nulls(count, field.type)) for field in schema]
    (folder / "table").mkdir(parents=True)
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), folder / "table" / "a.parquet")
    first = folder / "images" / names[0]
    first.parent.mkdir(parents=True)
    first.touch()
    return folder


def open_faces(folder: Path) -> FaceDataset:
    classes = [f"{number:03d}" for number in range(PEOPLE)]
    plain = {
        "expression": {"kind": "classification", "classes": classes},
        "landmarks": {"kind": "landmarks"},
        "yaw": {"kind": "regression", "target": ["yaw_deg"], "scale": 90.0},
    }
    tasks = list(build_tasks(parse_tasks(plain)).values())
    return FaceDataset(folder / "table", folder / "images", 5, Preprocessing(16), tasks, folder / "cache")


def open_people(folder: Path) -> PersonDataset:
    return PersonDataset(folder / "table", folder / "images", AlignedPreprocessing(112), folder / "cache")


def draw_balanced(faces: LabelledFaces) -> None:
    sampler = ClassSampler(faces.targets["expression"].values.numpy(), "balanced", num_replicas=2, rank=1)
    for position in sampler:
        if position % 1000 == 0:
            targets_of(faces.targets, position)
            assert faces.image_ids[position]


def draw_people(faces: LabelledFaces) -> None:
    for position in PKSampler(faces.targets["identity"].values.numpy(), 4, 4):
        assert position < len(faces)


@pytest.mark.parametrize(("opened", "draw"), [(open_faces, draw_balanced), (open_people, draw_people)])
def test_data_set__a_worker_takes_few_bytes_a_row(
    opened: Callable[[Path], LabelledFaces],
    draw: Callable[[LabelledFaces], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python, NumPy and Arrow tell the memory of their objects exactly, unlike the system that of a process.

    Names and targets of a row take several times the limit, in arrays or as Python objects.
    """
    monkeypatch.setattr(opened_rows, "LARGE_TABLE_ROWS", 0)
    monkeypatch.setattr(opened_rows, "_write_in_child", opened_rows.write_rows)
    peaks = []
    for count in (FEW, MANY):
        folder = write_table(tmp_path / str(count), count)
        opened(folder)  # the first process of the machine writes the rows
        tracemalloc.start()
        in_arrow = pa.total_allocated_bytes()
        faces = opened(folder)
        draw(faces)
        peaks.append(tracemalloc.get_traced_memory()[1] + pa.total_allocated_bytes() - in_arrow)
        tracemalloc.stop()
        assert len(faces) > count // 2
    bytes_a_row = (peaks[1] - peaks[0]) / (MANY - FEW)
    assert bytes_a_row < 40, f"{peaks} bytes: {bytes_a_row:.0f} a row"
