"""Errors that end a training of several workers, and errors that do not."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceml.config.config_error import ConfigError
from faceml.config.loading import parse_config
from faceml.config.train import TrainConfig
from faceml.errors import StoppedError
from faceml.runs.files import NONFINITE_STEPS_FOLDER, SUMMARY_FILE, read_metrics
from ray_jobs.training import multitask

pytestmark = pytest.mark.usefixtures("ray_cluster")

WORKERS = 2
POISONED = "3/003.jpg"


@pytest.fixture
def faces(noisy_faces: Path, tmp_path: Path) -> Path:
    """A copy to be spoiled."""
    shutil.copytree(noisy_faces, tmp_path / "faces")
    return tmp_path / "faces"


@pytest.fixture
def poisoned_faces(faces: Path) -> Path:
    """One training image has landmarks so far away that their squared error is infinite."""
    file = faces / "tables" / "train" / "a.parquet"
    table = pq.read_table(file)
    rows = table.to_pylist()
    (row,) = (row for row in rows if row["image_id"] == POISONED)
    row["landmarks_5"] = [1e30] * 10
    pq.write_table(pa.Table.from_pylist(rows, table.schema), file)
    return faces


def config(faces: Path, **training: Any) -> TrainConfig:
    settings = {
        "data": {
            **{
                split: {"table": str(faces / "tables" / split), "images": str(faces / "images" / split)}
                for split in ("train", "val")
            },
            "image_size": 32,
        },
        "model": {"backbone": "narrow"},
        "training": {"epochs": 2, "batch_size_per_worker": 8, **training},
        "scaling": {"num_train_workers": WORKERS},
        "run": {"folder": str(faces / "run")},
    }
    return parse_config(TrainConfig, settings)


def nonfinite_steps(run: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted((run / NONFINITE_STEPS_FOLDER).iterdir())]


@pytest.mark.soak
def test_train__a_poisonous_image_stops_it_and_is_in_a_file(poisoned_faces: Path) -> None:
    settings = config(poisoned_faces)
    with pytest.raises(StoppedError, match=r"^A gradient is not finite in epoch 1, step \d+\. Losses: expr"):
        multitask.run(settings)
    told = nonfinite_steps(Path(settings.run.folder))
    assert sorted(record["rank"] for record in told) == [0, 1], "every worker tells, and none tries again"
    assert len({record["step"] for record in told}) == 1
    assert sum(POISONED in record["image_ids"] for record in told) == 1
    assert not Path(settings.run.folder, SUMMARY_FILE).exists()


@pytest.mark.soak
def test_train__skips_the_steps_of_a_poisonous_image_if_asked(poisoned_faces: Path) -> None:
    settings = config(poisoned_faces, on_nonfinite="skip")
    assert multitask.run(settings)["epochs"] == 2
    records = read_metrics(Path(settings.run.folder))
    assert [record["train/nonfinite_steps"] for record in records] == [1.0, 1.0]
    told = nonfinite_steps(Path(settings.run.folder))
    assert sorted((record["epoch"], record["rank"]) for record in told) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert sum(POISONED in record["image_ids"] for record in told) == 2
    longer = config(poisoned_faces, on_nonfinite="skip", epochs=3)
    assert multitask.run(longer)["epochs"] == 3, "a finished training goes on"
    assert read_metrics(Path(settings.run.folder))[:2] == records
    with pytest.raises(
        ConfigError, match=r"holds a finished run\. .* continue it with more training\.epochs"
    ):
        multitask.run(longer)


@pytest.mark.soak
def test_train__a_validation_image_that_changed_stops_it_and_is_named(faces: Path) -> None:
    (faces / "images" / "val" / "1/017.jpg").write_bytes(b"no image")
    settings = config(faces)
    with pytest.raises(StoppedError) as stopped:
        multitask.run(settings)
    assert str(stopped.value) == (
        f"1/017.jpg: undecodable, but the landmark table {faces / 'tables' / 'val'} was extracted from a "
        "readable image. Restore the image, or extract again with output.on_change=re-extract."
    )
    assert not read_metrics(Path(settings.run.folder))
