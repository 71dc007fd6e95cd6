from pathlib import Path
from typing import Any

import pytest

from faceml.config.loading import parse_config
from faceml.config.train import TrainConfig
from faceml.reporting.training.plan import build_training_plan
from faceml.tables.landmark_table import write_shard
from faceml.tables.sorted_rows import read_table
from faceml.training.faces import build_cached_faces

SPLITS = {"train": list("012345"), "val": list("67")}


@pytest.fixture
def data(faces: Path) -> dict[str, Any]:
    splits = {
        split: {"table": str(faces / "tables" / split), "images": str(faces / "images" / split)}
        for split in ("train", "val")
    }
    return {**splits, "image_size": 32}


def settings(data: dict[str, Any], **others: Any) -> TrainConfig:
    return parse_config(TrainConfig, {"data": data, "run": {"folder": "/nowhere"}, **others})


def test_build_cached_faces__opens_once_what_has_the_same_faces(data: dict[str, Any]) -> None:
    first = build_cached_faces(settings(data))
    views = {"augmentation": {"flip_probability": 0.1}, "sampling": "balanced", "loader_processes": 2}
    assert build_cached_faces(settings(data | views)) is first
    fixed = {"weighting": {"kind": "fixed"}, "optimizer": {"name": "sgd"}, "seed": 7}
    assert build_cached_faces(settings(data, **fixed)) is first


def test_build_cached_faces__opens_again_what_has_other_images_or_landmarks(data: dict[str, Any]) -> None:
    first = build_cached_faces(settings(data))
    larger = build_cached_faces(settings(data | {"image_size": 40}))
    assert larger.train[0].image.shape == (3, 40, 40)
    ten = build_cached_faces(settings(data | {"num_landmarks": 10}))
    assert ten.train[0].targets["landmarks"].values.shape == (10, 2)
    assert first.train[0].image.shape == (3, 32, 32)
    pose = {"pose": {"kind": "regression", "target": ["yaw_deg"], "scale": 90}}
    numbers = build_cached_faces(settings(data, tasks=pose))
    assert list(numbers.train.targets) == ["pose"]
    scaled = build_cached_faces(settings(data, tasks={"pose": pose["pose"] | {"scale": 45}}))
    assert scaled is not numbers, "losses depend on the settings of tasks"
    assert build_cached_faces(settings(data, tasks={"pose": pose["pose"] | {"scale": 45}})) is scaled
    assert build_cached_faces(settings(data)) is not first, "only the last ones are kept"


def test_build_cached_faces__of_one_table_by_where(
    data: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    both = {split: data["train"] | {"where": {"folder": folders}} for split, folders in SPLITS.items()}
    faces = build_cached_faces(settings(data | both))
    for split, opened in (("train", faces.train), ("val", faces.val)):
        assert {image_id[0] for image_id in opened.image_ids} == set(SPLITS[split])
        opened.log_left_out()
    whole = build_cached_faces(settings(data)).train
    assert len(faces.train) + len(faces.val) == len(whole)
    assert (faces.train.is_whole_table, whole.is_whole_table) == (False, True)
    place = f"{data['train']['table']} where folder: 6 or 7"
    assert f"{place}: {len(faces.val)} of {len(whole)} rows are selected." in caplog.messages
    assert f"{len(faces.val)} in {place}" in str(build_training_plan(settings(data | both), faces).rows)


def test_log_untrained_classes__names_those_that_training_never_shows(
    data: dict[str, Any], faces: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build_cached_faces(settings(data)).log_untrained_classes()
    assert caplog.messages == []
    rows = [row for row in read_table(faces / "tables" / "train").to_pylist() if row["folder"] not in "35"]
    write_shard(rows, read_table(faces / "tables" / "train").schema, tmp_path / "a.parquet")
    fewer = data | {"train": data["train"] | {"table": str(tmp_path)}}
    build_cached_faces(settings(fewer)).log_untrained_classes()
    (message,) = caplog.messages
    assert "has no image of surprise (3 validation images), disgust (2 validation images)." in message
    assert "tasks.expression.leave_out" in message
