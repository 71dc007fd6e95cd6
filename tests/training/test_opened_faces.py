from pathlib import Path
from typing import Any

import pytest

from faceml.config.loading import parse_config
from faceml.config.train import DataConfig
from faceml.training.opened_faces import data_openings, opened_faces


@pytest.fixture
def data(faces: Path) -> dict[str, Any]:
    splits = {
        split: {"table": str(faces / "tables" / split), "images": str(faces / "images" / split)}
        for split in ("train", "val")
    }
    return {**splits, "image_size": 32}


def test_opened_faces__opens_once_what_has_the_same_faces(data: dict[str, Any]) -> None:
    first, before = opened_faces(parse_config(DataConfig, data)), data_openings()
    views = {"augmentation": {"flip_probability": 0.1}, "sampling": "balanced", "loader_processes": 2}
    assert opened_faces(parse_config(DataConfig, data | views)) is first
    assert data_openings() == before


def test_opened_faces__opens_again_what_has_other_pictures_or_points(data: dict[str, Any]) -> None:
    first, before = opened_faces(parse_config(DataConfig, data)), data_openings()
    assert opened_faces(parse_config(DataConfig, data | {"image_size": 40})).train[0].image.shape == (
        3,
        40,
        40,
    )
    ten = opened_faces(parse_config(DataConfig, data | {"num_landmarks": 10}))
    assert ten.train[0].landmarks.shape == (10, 2)
    assert first.train[0].image.shape == (3, 32, 32)
    assert data_openings() == before + 2
