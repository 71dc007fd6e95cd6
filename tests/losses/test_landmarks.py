"""Masked landmark losses: rows without landmarks have no influence."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter
from torch import Tensor

from faceml.config.losses import LandmarkLossConfig
from faceml.losses.landmarks import build_landmark_loss, masked_mse

masks = st.lists(st.booleans(), min_size=1, max_size=8)


def batch(mask: list[bool], seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Predictions that want gradients, targets that are NaN where there are no landmarks, the mask."""
    generator = torch.Generator().manual_seed(seed)
    has_landmarks = torch.tensor(mask)
    predicted, target = torch.rand(2, len(mask), 5, 2, generator=generator)
    return predicted.requires_grad_(), target.where(has_landmarks[:, None, None], torch.nan), has_landmarks


@given(mask=masks, seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_masked_mse__equals_the_batch_without_the_masked_rows(mask: list[bool], seed: int) -> None:
    predicted, target, has_landmarks = batch(mask, seed)
    loss = masked_mse(predicted, target, has_landmarks)
    loss.backward()  # type: ignore[no-untyped-call]
    assert predicted.grad is not None
    rows = np.flatnonzero(mask)
    errors = (predicted - target).detach().double().numpy()[rows]
    expected_gradient = np.zeros((len(mask), 5, 2))
    expected_gradient[rows] = 2 * errors / max(1, errors.size)
    assert loss.item() == pytest.approx((errors**2).sum() / max(1, errors.size), rel=1e-5, abs=1e-12)
    np.testing.assert_allclose(predicted.grad.numpy(), expected_gradient, atol=1e-7)


@pytest.mark.parametrize("normalizer", [None, torch.tensor(0.0)])
def test_masked_mse__without_any_landmarks_is_exactly_0_with_zero_gradients(
    normalizer: Tensor | None,
) -> None:
    predicted, target, has_landmarks = batch([False, False, False])
    loss = masked_mse(predicted, target, has_landmarks, normalizer)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0.0
    assert predicted.grad is not None
    assert torch.equal(predicted.grad, torch.zeros(3, 5, 2))


@given(mask=st.lists(st.booleans(), min_size=4, max_size=12))
@settings(max_examples=30, deadline=None)
def test_masked_mse__mean_over_workers_with_a_normalizer_is_the_loss_of_the_global_batch(
    mask: list[bool],
) -> None:
    predicted, target, has_landmarks = batch(mask)
    shards = [slice(0, 1), slice(1, 3), slice(3, None)]
    rows_per_worker = has_landmarks.sum() / len(shards)
    losses = [masked_mse(predicted[s], target[s], has_landmarks[s], rows_per_worker) for s in shards]
    torch.testing.assert_close(
        torch.stack(losses).mean(), masked_mse(predicted, target, has_landmarks), rtol=1e-5, atol=1e-8
    )


def loss_of(kind: str, **settings: float) -> Callable[..., Tensor]:
    config: LandmarkLossConfig = TypeAdapter(LandmarkLossConfig).validate_python({"kind": kind, **settings})
    return build_landmark_loss(config)


def penalty_by_hand(kind: str, error: float) -> float:
    """Of one coordinate, from the papers, with beta 0.1, width 0.2, curvature 0.05."""
    size = abs(error)
    if kind == "mse":
        return size**2
    if kind == "smooth_l1":
        return size**2 / 0.2 if size < 0.1 else size - 0.05
    offset = 0.2 - 0.2 * math.log(1 + 0.2 / 0.05)
    return 0.2 * math.log(1 + size / 0.05) if size < 0.2 else size - offset


KINDS: dict[str, dict[str, float]] = {
    "mse": {},
    "smooth_l1": {"beta": 0.1},
    "wing": {"width": 0.2, "curvature": 0.05},
}


@pytest.mark.parametrize("kind", KINDS)
@given(mask=masks, seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_build_landmark_loss__is_the_mean_of_the_papers_penalty_over_rows_with_landmarks(
    kind: str, mask: list[bool], seed: int
) -> None:
    predicted, target, has_landmarks = batch(mask, seed)
    loss = loss_of(kind, **KINDS[kind])(predicted, target, has_landmarks)
    loss.backward()
    errors = (predicted - target).detach().double().numpy()[np.flatnonzero(mask)].ravel()
    expected = np.mean([penalty_by_hand(kind, error) for error in errors]) if errors.size else 0.0
    assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-12)
    assert predicted.grad is not None
    assert torch.isfinite(predicted.grad).all()
    assert not predicted.grad[~has_landmarks].any()


@pytest.mark.parametrize("kind", KINDS)
def test_build_landmark_loss__no_error_costs_nothing_and_pulls_nowhere(kind: str) -> None:
    predicted = torch.full((2, 5, 2), 0.3, requires_grad=True)
    loss = loss_of(kind)(predicted, predicted.detach().clone(), torch.tensor([True, True]))
    loss.backward()
    assert loss.item() == 0.0
    assert predicted.grad is not None
    assert not predicted.grad.any()


@pytest.mark.parametrize("kind", KINDS)
def test_build_landmark_loss__half_precision_is_computed_in_float32(kind: str) -> None:
    predicted = torch.rand(3, 5, 2).bfloat16()
    assert (
        loss_of(kind)(predicted, torch.rand(3, 5, 2), torch.ones(3, dtype=torch.bool)).dtype == torch.float32
    )
