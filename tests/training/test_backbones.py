"""Networks of timm from their training to an export, a prediction and recognition."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

import faceml
from faceml.config.loading import parse_config
from faceml.config.sections.model import ModelConfig
from faceml.config.train import TrainConfig
from faceml.export.comparison import CheckedImages
from faceml.export.exportable import load_exportable
from faceml.export.write import write_models
from faceml.models.recognition import build_face_resnet
from faceml.training.multitask import build_multitask_trainer
from faceml.training.observer import EpochRecord, NonFiniteStep, StepRecord

NETWORKS = [("timm/mobilenetv3_small_100", 32), ("timm/vit_tiny_patch16_224", 64)]


class SavedEpoch:
    """Save the training's state and model after an epoch, and keep its metrics."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metrics: dict[str, float] = {}

    def on_step(self, record: StepRecord) -> None:
        pass

    def on_nonfinite_step(self, record: NonFiniteStep) -> None:
        raise AssertionError(record)

    def on_epoch(self, record: EpochRecord) -> None:
        self.metrics = dict(record.metrics)
        record.save(self.folder)


@pytest.mark.parametrize(("backbone", "image_size"), NETWORKS)
def test_networks_of_timm__train_export_predict_and_transfer(
    backbone: str, image_size: int, faces: Path, tmp_path: Path
) -> None:
    data: dict[str, Any] = {
        split: {"table": str(faces / "tables" / split), "images": str(faces / "images" / split)}
        for split in ("train", "val")
    }
    plain: dict[str, Any] = {
        "data": data | {"image_size": image_size},
        "model": {"backbone": backbone, "embedding_dim": 16},
        "optimizer": {"name": "adamw", "layer_decay": 0.5},
        "training": {"epochs": 1, "batch_size_per_worker": 32, "warmup_epochs": 0},
        "run": {"folder": str(tmp_path / "run")},
    }
    trainer = build_multitask_trainer(parse_config(TrainConfig, plain), torch.device("cpu"))
    before = {name: values.clone() for name, values in trainer.model.named_parameters()}
    saved = SavedEpoch(tmp_path)
    trainer.fit(1, saved)  # two steps
    assert not any(math.isnan(value) for value in saved.metrics.values())
    unchanged = [
        name for name, values in trainer.model.named_parameters() if torch.equal(before[name], values)
    ]
    assert not unchanged, "every parameter is trained"

    file = tmp_path / "model.pt"
    exportable = load_exportable(file)
    images = CheckedImages(exportable.preprocessing, 0)
    differences = write_models(exportable, ["onnx"], 18, images, tmp_path)
    assert max(differences["model.onnx"].values()) < 1e-4

    predictor = faceml.load(file, finds_faces=False)
    (predicted,) = predictor.predict([next((faces / "images" / "val").rglob("*.jpg"))])
    assert len(predicted.faces) == 1

    trained = trainer.model.backbone.state_dict()
    config = ModelConfig(backbone=backbone, weights=str(file), embedding_dim=16)
    recognition = build_face_resnet(config, image_size).eval()
    assert all(
        torch.equal(values, trained[name]) for name, values in recognition.backbone.state_dict().items()
    )
    larger = build_face_resnet(config, 96).eval()
    assert larger(torch.zeros(2, 3, 96, 96)).shape == (2, 16)
