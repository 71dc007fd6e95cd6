"""Faces streamed by Ray Data, compared with the data set: each once per epoch."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from faceml.config.config_error import ConfigError
from faceml.config.loading import parse_config
from faceml.config.train import TrainConfig
from faceml.errors import StoppedError
from faceml.runs.files import read_metrics
from faceml.training.faces import build_faces
from faceml.training.multitask import build_multitask_trainer
from faceml.training.observer import EpochRecord, NonFiniteStep, StepRecord
from ray_jobs.training import multitask
from ray_jobs.training.stream import StreamedBatches, face_stream
from tests.default_tasks import assert_same_faces
from tests.own_cluster import run_on_own_cluster

BATCH, BATCHES = 8, 7


def config(faces: Path, tables: Path, folder: Path, workers: int = 1) -> TrainConfig:
    splits: dict[str, Any] = {
        split: {"table": str(tables / split), "images": str(faces / split)} for split in ("train", "val")
    }
    return parse_config(
        TrainConfig,
        {
            "data": {**splits, "image_size": 32, "ingest": "stream", "shuffle_buffer": 40},
            "model": {"backbone": "narrow"},
            "training": {"epochs": 2, "batch_size_per_worker": BATCH},
            "scaling": {"num_train_workers": workers},
            "run": {"folder": str(folder)},
        },
    )


class Heard:
    """What a training says after each epoch."""

    def __init__(self) -> None:
        self.epochs: list[EpochRecord] = []

    def on_step(self, record: StepRecord) -> None:
        pass

    def on_epoch(self, record: EpochRecord) -> None:
        self.epochs.append(record)

    def on_nonfinite_step(self, record: NonFiniteStep) -> None:
        raise AssertionError(record)


def test_streamed_batches__are_those_of_the_data_set_in_another_order(
    faces: Path, tables: Path, tmp_path: Path
) -> None:
    settings = config(faces, tables, tmp_path)
    drawn = build_faces(settings).train
    stream = face_stream(settings, is_whole_table=True).iterator()
    streamed = StreamedBatches(stream, drawn, BATCH, BATCHES, 40, seed=0)
    assert len(streamed) == BATCHES
    orders = []
    for epoch in (1, 2):
        streamed.set_epoch(epoch)
        batches = list(streamed)
        assert [len(batch.position) for batch in batches] == [BATCH] * BATCHES
        positions = torch.cat([batch.position for batch in batches])
        assert len(positions.unique()) == BATCH * BATCHES, "no face twice"
        orders.append(positions.tolist())
        for batch in batches:
            assert_same_faces(batch, drawn.__getitems__(batch.position.tolist()))
    assert orders[0] != sorted(orders[0])
    assert orders[0] != orders[1]


def test_train__on_a_stream_learns_as_from_the_disk(faces: Path, tables: Path, tmp_path: Path) -> None:
    settings = config(faces, tables, tmp_path / "run")
    multitask.run(settings)
    streamed = read_metrics(tmp_path / "run")
    mapped = settings.model_copy(update={"data": settings.data.model_copy(update={"ingest": "map"})})
    trainer = build_multitask_trainer(mapped, torch.device("cpu"))
    assert len(streamed) == 2
    assert len(trainer.train_batches) * BATCH == 64
    for record in streamed:
        assert record["val/accuracy"] >= 0
    # The first epoch starts from the same weights and sees the same faces: its mean loss is nearly the same.
    heard = Heard()
    trainer.fit(1, heard)
    expected = heard.epochs[0].metrics["train/loss_expression"]
    assert streamed[0]["train/loss_expression"] == pytest.approx(expected, rel=0.15)


@pytest.mark.soak
def test_train__two_workers_share_a_stream_and_end_together(
    faces: Path, tables: Path, tmp_path: Path
) -> None:
    """64 faces, batches of eight: four for each worker in every epoch, on three logical CPUs."""
    settings = config(faces, tables, tmp_path / "run", workers=2)
    run_on_own_cluster("ray_jobs.training.multitask", settings, 3, tmp_path, timeout_s=600)
    records = read_metrics(tmp_path / "run")
    assert [record["epoch"] for record in records] == [1, 2]
    assert all(record["train/loss_expression"] > 0 for record in records)
    assert records[1]["train/learning_rate"] < records[0]["train/learning_rate"]


@pytest.mark.soak
def test_train__an_image_that_vanished_from_a_stream_ends_it_with_one_line(
    faces: Path, tables: Path, tmp_path: Path
) -> None:
    shutil.copytree(faces, tmp_path / "faces")
    gone = sorted((tmp_path / "faces" / "train").rglob("*.jpg"))[5]
    gone.unlink()
    with pytest.raises(StoppedError) as stopped:
        multitask.run(config(tmp_path / "faces", tables, tmp_path / "run"))
    image_id = gone.relative_to(tmp_path / "faces" / "train").as_posix()
    assert str(stopped.value).startswith(f"{image_id}: missing or unreadable, but the landmark table")
    assert "\n" not in str(stopped.value)


def test_train__a_stream_needs_a_cpu_that_no_worker_holds(faces: Path, tables: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="scaling: needs 3 × 1 CPU, each on one node"):
        multitask.run(config(faces, tables, tmp_path / "run", workers=2))


def test_train_config__a_stream_is_not_balanced(faces: Path, tables: Path, tmp_path: Path) -> None:
    raw = config(faces, tables, tmp_path).model_dump(mode="json")
    raw["data"]["sampling"] = "balanced"
    with pytest.raises(ConfigError, match=r"sampling: balanced needs ingest: map"):
        parse_config(TrainConfig, raw)
