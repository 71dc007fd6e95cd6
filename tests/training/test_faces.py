from pathlib import Path
from typing import Any

import pytest

from faceml.config.loading import parse_config
from faceml.config.train import DataConfig
from faceml.training.faces import build_cached_faces


@pytest.fixture
def data(faces: Path) -> dict[str, Any]:
    splits = {
        split: {"table": str(faces / "tables" / split), "images": str(faces / "images" / split)}
        for split in ("train", "val")
    }
    return {**splits, "image_size": 32}


def test_build_cached_faces__opens_once_what_has_the_same_faces(data: dict[str, Any]) -> None:
    first = build_cached_faces(parse_config(DataConfig, data))
    views = {"augmentation": {"flip_probability": 0.1}, "sampling": "balanced", "loader_processes": 2}
    assert build_cached_faces(parse_config(DataConfig, data | views)) is first


def test_build_cached_faces__opens_again_what_has_other_images_or_landmarks(data: dict[str, Any]) -> None:
    first = build_cached_faces(parse_config(DataConfig, data))
    larger = build_cached_faces(parse_config(DataConfig, data | {"image_size": 40}))
    assert larger.train[0].image.shape == (3, 40, 40)
    ten = build_cached_faces(parse_config(DataConfig, data | {"num_landmarks": 10}))
    assert ten.train[0].landmarks.shape == (10, 2)
    assert first.train[0].image.shape == (3, 32, 32)
    assert build_cached_faces(parse_config(DataConfig, data)) is not first, "only the last ones are kept"
