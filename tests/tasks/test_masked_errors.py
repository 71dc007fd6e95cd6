"""Elementwise losses of errors: rows without a target have no influence."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from faceml.datasets.targets import Target
from faceml.losses.errors import smooth_l1
from faceml.tasks.masked_errors import MaskedErrors

masks = st.lists(st.booleans(), min_size=1, max_size=8)


def batch(mask: list[bool], seed: int = 0) -> tuple[torch.Tensor, Target]:
    """Predictions that want gradients, and targets that are NaN where they are not known."""
    generator = torch.Generator().manual_seed(seed)
    known = torch.tensor(mask)
    predicted, target = torch.rand(2, len(mask), 5, 2, generator=generator)
    return predicted.requires_grad_(), Target(target.where(known[:, None, None], torch.nan), known)


@given(mask=masks, seed=st.integers(0, 99))
@settings(max_examples=50)
def test_masked_errors__equal_the_batch_without_the_masked_rows(mask: list[bool], seed: int) -> None:
    predicted, target = batch(mask, seed)
    loss = MaskedErrors(torch.square)(predicted, target, torch.tensor(float(sum(mask))))
    loss.backward()
    assert predicted.grad is not None
    rows = np.flatnonzero(mask)
    errors = (predicted - target.values).detach().double().numpy()[rows]
    expected_gradient = np.zeros((len(mask), 5, 2))
    expected_gradient[rows] = 2 * errors / max(1, errors.size)
    assert loss.item() == pytest.approx((errors**2).sum() / max(1, errors.size), rel=1e-5, abs=1e-12)
    np.testing.assert_allclose(predicted.grad.numpy(), expected_gradient, atol=1e-7)


def test_masked_errors__coordinates_of_the_target_beyond_the_output_do_not_count() -> None:
    predicted, target = batch([True, True, False])
    count = torch.tensor(2.0)
    longer = target._replace(values=torch.cat([target.values, torch.full((3, 4, 2), 9.0)], dim=1))
    loss = MaskedErrors(lambda error: smooth_l1(error, 0.1))
    assert loss(predicted, longer, count).item() == loss(predicted, target, count).item()
