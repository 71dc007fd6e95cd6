"""The step from pretraining to recognition."""

from pathlib import Path

import pytest
import torch

from faceml.config.config_error import ConfigError
from faceml.config.model import ModelConfig
from faceml.models.multitask import build_multitask_model
from faceml.models.recognition import FaceResNet
from faceml.transfer.backbone_weights import load_pretrained_backbone


def test_load_pretrained_backbone__both_networks_then_see_the_same_features(tmp_path: Path) -> None:
    pretrained = build_multitask_model(ModelConfig(), 5)
    pretrained(torch.randn(4, 3, 48, 48))  # moves the running statistics, which must come along
    torch.save({"model_state_dict": pretrained.state_dict()}, tmp_path / "best_model.pt")
    model = FaceResNet(ModelConfig())
    head = {key: value.clone() for key, value in model.embedding_head.state_dict().items()}

    checkpoint = torch.load(tmp_path / "best_model.pt", weights_only=True)
    copied = load_pretrained_backbone(model, checkpoint, "best_model.pt")

    assert copied == len(pretrained.backbone.state_dict())
    faces = torch.randn(2, 3, 48, 48)
    assert torch.equal(model.eval().backbone(faces), pretrained.eval().backbone(faces))
    assert all(torch.equal(head[key], value) for key, value in model.embedding_head.state_dict().items())


def test_load_pretrained_backbone__another_architecture_is_refused_by_name() -> None:
    pretrained = build_multitask_model(ModelConfig(backbone="resnet50"), 5)
    with pytest.raises(ConfigError, match=r"runs/a: holds a resnet50, model\.backbone is resnet18"):
        load_pretrained_backbone(
            FaceResNet(ModelConfig()), {"model_state_dict": pretrained.state_dict()}, "runs/a"
        )


def test_load_pretrained_backbone__an_incomplete_checkpoint_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"lacks conv1\.weight"):
        load_pretrained_backbone(FaceResNet(ModelConfig()), {"model_state_dict": {}}, "runs/a")
