"""Multitask network: shapes, state dict keys and initial outputs."""

from functools import partial

import pytest
import torch

from faceml.config.sections.model import ModelConfig
from faceml.models.heads import ClassHead, LandmarkHead, NumberHead
from faceml.models.multitask import HeadBuilder, MultitaskFaceModel, build_multitask_model

PREFIXES = {"backbone", "projection", "expression_head", "landmark_head"}


def heads(num_landmarks: int = 5) -> dict[str, HeadBuilder]:
    return {
        "expression": partial(ClassHead, out_features=8),
        "landmarks": partial(LandmarkHead, num_landmarks=num_landmarks),
    }


def pair(backbone: str = "resnet18", num_landmarks: int = 5) -> MultitaskFaceModel:
    return build_multitask_model(ModelConfig(backbone=backbone), heads(num_landmarks))


@pytest.mark.parametrize("backbone", ["resnet18", "resnet50", "iresnet18"])
@pytest.mark.parametrize("num_landmarks", [5, 10])
def test_forward__gives_the_outputs_of_each_task_and_the_embedding(backbone: str, num_landmarks: int) -> None:
    outputs = pair(backbone, num_landmarks)(torch.randn(2, 3, 48, 48))
    assert outputs.tasks["expression"].shape == (2, 8)
    assert outputs.tasks["landmarks"].shape == (2, num_landmarks, 2)
    assert outputs.embedding.shape == (2, 512)


def test_state_dict__has_exactly_the_four_prefixes() -> None:
    keys = pair().state_dict().keys()
    assert {key.partition(".")[0] for key in keys} == PREFIXES
    assert all(key.startswith("backbone.") for key in keys if "backbone" in key)


@pytest.mark.parametrize("tasks", [["expression"], ["landmarks", "pose", "train", "forward", "tasks"]])
def test_state_dict__any_number_of_tasks_has_a_head_each_in_their_order(tasks: list[str]) -> None:
    each = heads() | {name: partial(NumberHead, num_numbers=3) for name in tasks if name not in heads()}
    model = build_multitask_model(ModelConfig(), {name: each[name] for name in tasks})
    names = [f"{name.removesuffix('s') if name == 'landmarks' else name}_head" for name in tasks]
    assert list(model(torch.randn(2, 3, 48, 48)).tasks) == tasks == list(model.tasks)
    assert list(dict.fromkeys(key.partition(".")[0] for key in model.state_dict())) == [
        "backbone", "projection", *names
    ]  # fmt: skip


def test_forward__numbers_start_near_0_and_reach_the_backbone() -> None:
    torch.manual_seed(0)
    model = build_multitask_model(ModelConfig(), {"pose": partial(NumberHead, num_numbers=3)})
    numbers = model(torch.randn(16, 3, 48, 48)).tasks["pose"]
    assert numbers.shape == (16, 3)
    assert 0 < numbers.abs().max() < 0.1


def test_forward__landmark_i_is_the_pair_of_outputs_2i_and_2i_plus_1() -> None:
    head = LandmarkHead(4, 5)
    embedding = torch.randn(3, 4)
    flat = embedding @ head.weight.T + head.bias
    torch.testing.assert_close(head(embedding), torch.stack([flat[:, 0::2], flat[:, 1::2]], dim=2))


def test_forward__landmarks_start_near_the_middle_of_the_image() -> None:
    torch.manual_seed(0)
    landmarks = pair()(torch.randn(16, 3, 48, 48)).tasks["landmarks"]
    assert (landmarks - 0.5).abs().max() < 0.1
    assert landmarks.std().item() == pytest.approx(0.016, rel=0.5)


@pytest.mark.parametrize("task", ["expression", "landmarks"])
def test_backward__each_task_alone_reaches_the_backbone_from_the_first_step(task: str) -> None:
    torch.manual_seed(0)
    model = pair()
    model(torch.randn(4, 3, 48, 48)).tasks[task].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.backbone.parameters())


def test_forward__in_evaluation_a_face_does_not_depend_on_its_batch() -> None:
    model = pair().eval()
    images = torch.randn(3, 3, 48, 48)
    torch.testing.assert_close(
        model(images[:1]).tasks, {name: output[:1] for name, output in model(images).tasks.items()}
    )
