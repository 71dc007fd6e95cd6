"""Trainings with data, run folder and initial weights in an object store, through an S3 API."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

from faceml.config.config_error import ConfigError
from faceml.config.loading import load_config
from faceml.config.recognition import RecognitionConfig
from faceml.config.sections.model import ModelConfig
from faceml.config.train import TrainConfig
from faceml.errors import StoppedError
from faceml.models.recognition import FaceResNet
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below
from faceml.storage.tensors import read_tensors
from ray_jobs.training import multitask, recognition
from ray_jobs.training.resuming import load_interrupted_training
from tests.flaky_store import Fault, FlakyStore
from tests.ray_jobs.conftest import write_noisy_faces

pytestmark = pytest.mark.usefixtures("ray_cluster")

EPOCHS = 2
TRAIN, VAL = 32, 16
"""Numbers of faces; a training reads each of them once in an epoch."""
SETTINGS = (
    "data.image_size=32",
    "data.loader_processes=1",
    "training.precision=fp32",
    "training.channels_last=false",
    "scaling.use_gpu=false",
    "scaling.cpus_per_worker=1",
    "optimizer={name: sgd, momentum: 0.0}",  # whose checkpoints are small
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The driver's cache, of this test alone."""
    monkeypatch.setenv("FACEML_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def records_in(folder: StorageFolder) -> list[dict[str, float]]:
    content = folder.read("metrics.jsonl")
    assert isinstance(content, bytes)
    return [json.loads(line) for line in content.splitlines()]


def config_of(data: str, folder: str) -> TrainConfig:
    settings = [
        *(f"data.{split}.table={place_below(data, 'tables', split)}" for split in ("train", "val")),
        *(f"data.{split}.images={place_below(data, 'images', split)}" for split in ("train", "val")),
        *("model.backbone=resnet18", "model.weights=none", "model.embedding_dim=16"),
        *(f"training.epochs={EPOCHS}", "training.batch_size_per_worker=16", f"run.folder={folder}"),
    ]
    return load_config(TrainConfig, Path("configs/multitask_affectnet.yaml"), [*SETTINGS, *settings])


@pytest.mark.soak
def test_train__in_a_store_goes_on_on_another_machine(
    tmp_path: Path,
    cache: Path,
    in_s3: Callable[[Path], str],
    s3_uri: Callable[..., str],
    s3_server: str,
) -> None:
    faces = write_noisy_faces(tmp_path / "noisy", {"train": TRAIN, "val": VAL})
    data, read = in_s3(faces), list[str]()

    def refuse_images_of_epoch_2(method: str, path: str) -> Fault | None:
        if method == "GET" and path.endswith(".jpg"):
            read.append(path)
        return "denied" if len(read) > 2 * TRAIN + VAL and path.endswith(".jpg") else None

    place = place_below(s3_uri(), "runs", "first")
    folder = StorageFolder(place)
    with FlakyStore(s3_server, refuse_images_of_epoch_2) as store:
        config = config_of(data.replace(s3_server, store.endpoint), place)
        with pytest.raises(StoppedError, match=r"\.jpg: missing or unreadable, but the landmark table s3://"):
            multitask.run(config)
        begun = records_in(folder)
        assert [record["epoch"] for record in begun] == [1]
        assert not folder.has("report.html")
        shutil.rmtree(cache)
        read.clear()
        summary = multitask.run(load_interrupted_training(place))
        # A few more than an epoch: the first image of a split shows whether the folder is the right one.
        assert TRAIN + VAL <= len(read) < TRAIN + VAL + 8, "what was trained is not trained again"
        with pytest.raises(ConfigError, match=r"^run\.folder: s3://.* holds a finished run"):
            multitask.run(config)
    assert summary["epochs"] == EPOCHS
    assert records_in(folder)[:1] == begun
    assert [record["epoch"] for record in records_in(folder)] == [1, 2]
    assert json.loads(folder.read("summary.json")) == summary
    assert {"best_model.pt", "config.yaml", "report.html"} <= set(folder.files())
    best = read_tensors(place_below(place, "best_model.pt"))
    assert best["metrics"]["val/accuracy"] == summary["best"]["val/accuracy"]
    console = Console(width=120, file=io.StringIO(), record=True)
    multitask.show(config, console)
    assert "Expression classification, epoch " in console.export_text()


@pytest.mark.soak
def test_transfer__starts_from_weights_in_a_store_and_leaves_its_run_there(
    people: Path, tmp_path: Path, in_s3: Callable[[Path], str], s3_uri: Callable[..., str]
) -> None:
    (tmp_path / "pretrained").mkdir()
    state = FaceResNet(ModelConfig(backbone="resnet18")).state_dict()
    torch.save({"model_state_dict": state}, tmp_path / "pretrained" / "best_model.pt")
    weights = place_below(in_s3(tmp_path / "pretrained"), "best_model.pt")
    place = place_below(s3_uri(), "run")
    settings = [
        *(f"data.{split}.table={people / 'tables' / split}" for split in ("train", "val")),
        *(f"data.{split}.images={people / 'faces' / split}" for split in ("train", "val")),
        *("data.people_per_batch=4", "data.images_per_person=3", "data.pairs.number=100"),
        *("model.backbone=resnet18", "model.embedding_dim=32", f"model.weights={weights}"),
        # Nothing is learnt in the only epoch: what was read is what is kept.
        *("training.epochs=1", "training.freeze_backbone_epochs=1", f"run.folder={place}"),
    ]
    config = load_config(RecognitionConfig, Path("configs/arcface_casia.yaml"), [*SETTINGS, *settings])
    summary = recognition.run(config)
    folder = StorageFolder(place)
    assert {"best_model.pt", "config.yaml", "pairs.parquet", "report.html"} <= set(folder.files())
    kept = read_tensors(place_below(place, "best_model.pt"))["model_state_dict"]
    assert all(torch.equal(kept[name], state[name]) for name in state if name.startswith("backbone."))
    assert json.loads(folder.read("summary.json"))["accuracy"] == summary["accuracy"]
