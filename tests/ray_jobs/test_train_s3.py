"""Trainings whose data, run folder and starting weights lie in an object store, through a real S3 API."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faceml.config.loading import load_config
from faceml.config.train import TrainConfig
from faceml.places import place_below
from ray_jobs import train

pytestmark = pytest.mark.usefixtures("ray_cluster")

CONFIG = Path("configs/multitask_affectnet.yaml")


def test_train__from_a_store(noisy_faces: Path, tmp_path: Path, in_s3: Callable[[Path], str]) -> None:
    data = in_s3(noisy_faces)
    config = load_config(
        TrainConfig,
        CONFIG,
        [
            *(f"data.{split}.table={place_below(data, 'tables', split)}" for split in ("train", "val")),
            *(f"data.{split}.images={place_below(data, 'images', split)}" for split in ("train", "val")),
            *(
                "data.image_size=32",
                "data.num_landmarks=5",
                "data.loader_processes=0",
                "model.backbone=resnet18",
                "model.weights=none",
            ),
            *(
                "training.epochs=2",
                "training.batch_size_per_worker=32",
                "training.precision=fp32",
                "training.channels_last=false",
            ),
            *(
                "scaling.use_gpu=false",
                "scaling.num_train_workers=1",
                "scaling.cpus_per_worker=1",
                "data.leakage={on_found: ignore}",
            ),
            f"run.folder={tmp_path / 'run'}",
        ],
    )
    train.run(config)
