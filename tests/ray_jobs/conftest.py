"""Fixtures of jobs: synthetic faces, tables, a cluster and running jobs."""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from faceml.config.extract import ExtractConfig
from faceml.config.loading import parse_config
from faceml.images.decoding import encode_jpeg
from faceml.synthetic.generate import generate_faces
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from ray_jobs.tables import extraction
from tests.head_node import HeadNode, new_token
from tests.job import Job

HEAD_TOKEN = new_token()
SPLITS = {"train": 64, "val": 32}


@pytest.fixture(scope="module")
def head() -> Iterator[HeadNode]:
    """Cluster that accepts jobs over HTTP with `HEAD_TOKEN`."""
    with HeadNode(token=HEAD_TOKEN) as node:
        yield node


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic faces in AffectNet's layout: `train` and `val` below the returned folder."""

    def draw(folder: Path) -> None:
        generate_faces(folder, "affectnet", SPLITS, image_size_px=128, seed=7, processes=1)

    return shared_folder("faces", draw, tmp_path_factory)


@pytest.fixture(scope="session")
def tables(ray_cluster: None, faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Landmark tables of `faces`, extracted by the real job: `train` and `val` below the returned folder."""
    return shared_folder("tables", partial(extract_splits, faces), tmp_path_factory)


def extract_splits(faces: Path, tables: Path) -> None:
    """Extract both splits with one actor, because a second one starts for longer than it would work."""
    for split in SPLITS:
        raw = {"data": {"root": str(faces / split)}, "output": {"table": str(tables / split)}}
        extraction.run(parse_config(ExtractConfig, raw | {"landmarker": {"actors": 1}}))


@pytest.fixture(scope="session")
def people(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`faces` and `tables` of 12 drawn people to train on and 8 others, six images each."""

    def draw(folder: Path) -> None:
        splits = {"train": 12, "val": 8}
        generate_faces(
            folder / "faces", "identity", splits, image_size_px=160, images_per_person=6, processes=1
        )
        extract_splits(folder / "faces", folder / "tables")

    return shared_folder("people", draw, tmp_path_factory)


def shared_folder(name: str, fill: Callable[[Path], None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that the first of pytest's processes to need it fills for all; none writes to it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    done = folder.with_suffix(".done")
    with FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            fill(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def noisy_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tables` and `images` of two splits, 32 px; accuracy rises and falls from epoch to epoch."""
    return write_noisy_faces(tmp_path_factory.mktemp("noisy"), {"train": 96, "val": 64})


def write_noisy_faces(root: Path, splits: Mapping[str, int]) -> Path:
    """Write `tables` and `images` with so many images in each split into a folder, and return it."""
    rng = np.random.default_rng(0)
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"))
    for split, count in splits.items():
        rows = []
        for i in range(count):
            label = i % 8
            row: dict[str, Any] = {"image_id": f"{label}/{i:03d}.jpg", "folder": str(label), "status": "ok"}
            row |= {f"landmarks_{n}": rng.random(2 * n, dtype=np.float32) for n in (5, 10)}
            pixels = rng.normal(15 * label + 60, 40, (32, 32, 3)).clip(0, 255).astype(np.uint8)
            file = root / "images" / split / row["image_id"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encode_jpeg(pixels, 90))
            rows.append(row)
        write_shard(rows, schema, root / "tables" / split / "a.parquet")
    return root


@pytest.fixture
def start() -> Iterator[Callable[..., Job]]:
    """Function that starts a job with overrides; the job is killed after the test."""
    jobs: list[Job] = []

    def start_job(name: str, *settings: str, **options: Any) -> Job:
        jobs.append(Job(name, *settings, **options))
        return jobs[-1]

    yield start_job
    for job in jobs:
        job.stop()
