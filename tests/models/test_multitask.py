"""Multitask network: shapes, state dict keys and initial outputs."""

from typing import get_args

import pytest
import torch

from faceml.config.sections import BackboneName, ModelConfig
from faceml.models.heads import LandmarkHead
from faceml.models.multitask import build_multitask_model

PREFIXES = {"backbone", "projection", "expression_head", "landmark_head"}


@pytest.mark.parametrize("backbone", get_args(BackboneName))
@pytest.mark.parametrize("num_landmarks", [5, 10])
def test_forward__gives_logits_landmarks_and_embedding(backbone: BackboneName, num_landmarks: int) -> None:
    model = build_multitask_model(ModelConfig(backbone=backbone), num_landmarks)
    outputs = model(torch.randn(2, 3, 48, 48))
    assert outputs.logits.shape == (2, 8)
    assert outputs.landmarks.shape == (2, num_landmarks, 2)
    assert outputs.embedding.shape == (2, 512)


def test_state_dict__has_exactly_the_four_prefixes() -> None:
    keys = build_multitask_model(ModelConfig(), 5).state_dict().keys()
    assert {key.partition(".")[0] for key in keys} == PREFIXES
    assert all(key.startswith("backbone.") for key in keys if "backbone" in key)


def test_forward__landmark_i_is_the_pair_of_outputs_2i_and_2i_plus_1() -> None:
    head = LandmarkHead(4, 5)
    embedding = torch.randn(3, 4)
    flat = embedding @ head.weight.T + head.bias
    torch.testing.assert_close(head(embedding), torch.stack([flat[:, 0::2], flat[:, 1::2]], dim=2))


def test_forward__landmarks_start_near_the_middle_of_the_image() -> None:
    torch.manual_seed(0)
    landmarks = build_multitask_model(ModelConfig(), 5)(torch.randn(16, 3, 48, 48)).landmarks
    assert (landmarks - 0.5).abs().max() < 0.1
    assert landmarks.std().item() == pytest.approx(0.016, rel=0.5)


@pytest.mark.parametrize("task", ["logits", "landmarks"])
def test_backward__each_task_alone_reaches_the_backbone_from_the_first_step(task: str) -> None:
    torch.manual_seed(0)
    model = build_multitask_model(ModelConfig(), 5)
    getattr(model(torch.randn(4, 3, 48, 48)), task).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.backbone.parameters())


def test_forward__in_evaluation_a_face_does_not_depend_on_its_batch() -> None:
    model = build_multitask_model(ModelConfig(), 5).eval()
    images = torch.randn(3, 3, 48, 48)
    torch.testing.assert_close(model(images[:1]).logits, model(images).logits[:1])
