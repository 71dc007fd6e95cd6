"""Recognition network, transfer of a pretrained backbone, and class centres."""

import math
from pathlib import Path

import torch

from faceml.config.sections.model import ModelConfig
from faceml.models.heads import ClassHead, LandmarkHead
from faceml.models.multitask import build_multitask_model
from faceml.models.recognition import FaceResNet, IdentityHead, build_face_resnet

HEADS = {"expression": lambda dim: ClassHead(dim, 8), "landmarks": lambda dim: LandmarkHead(dim, 5)}


def test_transfer_snippet__runs_verbatim(tmp_path: Path) -> None:
    config = ModelConfig()
    pretrained = build_multitask_model(config, HEADS)
    torch.save({"model_state_dict": pretrained.state_dict()}, tmp_path / "best_model.pt")

    checkpoint = torch.load(tmp_path / "best_model.pt", weights_only=True)
    model = FaceResNet(config)
    # fmt: off
    model.backbone.load_state_dict(
        {k.replace('backbone.', ''): v for k, v in checkpoint['model_state_dict'].items() if 'backbone' in k}
    )
    # fmt: on

    ours, theirs = model.backbone.state_dict(), pretrained.backbone.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_state_dict__only_the_backbone_is_called_backbone() -> None:
    keys = FaceResNet(ModelConfig()).state_dict().keys()
    assert {key.partition(".")[0] for key in keys} == {"backbone", "embedding_head"}
    assert all(key.startswith("backbone.") for key in keys if "backbone" in key)


def test_forward__gives_embeddings_of_both_signs() -> None:
    torch.manual_seed(0)
    embedding = FaceResNet(ModelConfig(embedding_dim=64))(torch.randn(8, 3, 48, 48))
    assert embedding.shape == (8, 64)
    assert 0.3 < (embedding > 0).float().mean() < 0.7
    assert 0.3 < (embedding < 0).float().mean() < 0.7


def test_build_face_resnet__starts_from_the_weights_of_a_file_where_the_constructor_does_not(
    tmp_path: Path,
) -> None:
    pretrained = build_multitask_model(ModelConfig(), HEADS)
    torch.save({"model_state_dict": pretrained.state_dict()}, tmp_path / "best_model.pt")
    config = ModelConfig(weights=str(tmp_path / "best_model.pt"))
    expected = pretrained.backbone.state_dict()["conv1.weight"]
    assert torch.equal(build_face_resnet(config).state_dict()["backbone.conv1.weight"], expected)
    assert not torch.equal(FaceResNet(config).state_dict()["backbone.conv1.weight"], expected)


def test_identity_head__returns_the_cosines_of_angles_placed_by_hand() -> None:
    head = IdentityHead(2, 3)
    degrees = torch.tensor([0.0, 90.0, 200.0])
    radians = torch.deg2rad(degrees)
    lengths = torch.tensor([0.5, 2.0, 7.0])
    with torch.no_grad():
        head.centers.copy_(lengths[:, None] * torch.stack([radians.cos(), radians.sin()], dim=1))
    face = 3.0 * torch.tensor([[math.cos(math.radians(30.0)), math.sin(math.radians(30.0))]])
    cosines, norms = head(face)
    expected = [math.cos(math.radians(angle)) for angle in (30.0, 60.0, 170.0)]
    torch.testing.assert_close(cosines, torch.tensor([expected]), atol=1e-6, rtol=0)
    torch.testing.assert_close(norms, torch.tensor([3.0]))


def test_identity_head__stays_in_float32_under_autocast() -> None:
    torch.manual_seed(0)
    head, faces = IdentityHead(64, 100), torch.randn(4, 64)
    expected, _ = head(faces)
    with torch.autocast("cpu", torch.bfloat16):
        cosines, norms = head(faces)
    assert cosines.dtype == norms.dtype == torch.float32
    torch.testing.assert_close(cosines, expected, atol=1e-7, rtol=0)


def test_identity_head__an_embedding_of_length_0_has_finite_gradients() -> None:
    head = IdentityHead(8, 3)
    faces = torch.zeros(2, 8, requires_grad=True)
    cosines, norms = head(faces)
    (cosines.sum() + norms.sum()).backward()
    assert faces.grad is not None
    assert faces.grad.isfinite().all()
    assert head.centers.grad is not None
    assert head.centers.grad.isfinite().all()
