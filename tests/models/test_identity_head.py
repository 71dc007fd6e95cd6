"""Cosines to the centres of all people."""

import math

import torch

from faceml.models.identity_head import IdentityHead


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
