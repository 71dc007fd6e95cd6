from pathlib import Path
from typing import Any

import pytest

from faceml.config.loading import parse_config
from faceml.config.train import DataConfig
from faceml.tables.landmark_table import read_table, write_shard
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


def test_log_untrained_classes__names_those_that_training_never_shows(
    data: dict[str, Any], faces: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build_cached_faces(parse_config(DataConfig, data)).log_untrained_classes()
    assert caplog.messages == []
    rows = [row for row in read_table(faces / "tables" / "train").to_pylist() if row["folder"] not in "35"]
    write_shard(rows, read_table(faces / "tables" / "train").schema, tmp_path / "a.parquet")
    fewer = data | {"train": data["train"] | {"table": str(tmp_path)}}
    build_cached_faces(parse_config(DataConfig, fewer)).log_untrained_classes()
    (message,) = caplog.messages
    assert "has no image of surprise (3 validation images), disgust (2 validation images)." in message
