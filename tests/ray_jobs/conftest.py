"""One Ray cluster and one folder of synthetic faces for all tests of jobs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray

from faceml.config.extract import ExtractConfig
from faceml.config.loading import parse_config
from faceml.datasets.synthetic.generate import generate_faces
from ray_jobs import extract
from tests.extract_job import ExtractJob

SPLITS = {"train": 64, "val": 32}


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """Two logical CPUs, as the smallest machine that runs two workers has."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic faces in AffectNet's layout: `train` and `val` below the returned folder."""
    root = tmp_path_factory.mktemp("synthetic") / "faces"
    generate_faces(root, "affectnet", SPLITS, image_size_px=128, seed=7, processes=1)
    return root


@pytest.fixture(scope="session")
def tables(ray_cluster: None, faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Landmark tables of `faces`, extracted by the real job: `train` and `val` below the returned folder."""
    root = tmp_path_factory.mktemp("tables")
    for split in SPLITS:
        raw = {"data": {"root": str(faces / split)}, "output": {"table": str(root / split)}}
        extract.run(parse_config(ExtractConfig, raw))
    return root


@pytest.fixture
def start() -> Iterator[Callable[..., ExtractJob]]:
    """Start `faceml extract` with the given overrides; nothing of it outlives the test."""
    jobs: list[ExtractJob] = []

    def start_job(*settings: str, path: str = "") -> ExtractJob:
        jobs.append(ExtractJob(*settings, path=path))
        return jobs[-1]

    yield start_job
    for job in jobs:
        job.stop()
