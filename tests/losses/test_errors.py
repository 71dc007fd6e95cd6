"""Elementwise losses of errors, and concordance, recomputed from the papers."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from pydantic import TypeAdapter

from faceml.config.sections.losses import LandmarkLossConfig
from faceml.losses.errors import Penalty, build_error_penalty, concordance

KINDS: dict[str, dict[str, float]] = {
    "mse": {},
    "smooth_l1": {"beta": 0.1},
    "wing": {"width": 0.2, "curvature": 0.05},
}


def penalty_of(kind: str) -> Penalty:
    config: LandmarkLossConfig = TypeAdapter(LandmarkLossConfig).validate_python(
        {"kind": kind, **KINDS[kind]}
    )
    return build_error_penalty(config)


def by_hand(kind: str, error: float) -> tuple[float, float]:
    """Loss and slope of one error, from the papers, with beta 0.1, width 0.2, curvature 0.05."""
    size, sign = abs(error), math.copysign(1.0, error)
    if kind == "mse":
        return size**2, 2 * error
    if kind == "smooth_l1":
        return (size**2 / 0.2, error / 0.1) if size < 0.1 else (size - 0.05, sign)
    offset = 0.2 - 0.2 * math.log(1 + 0.2 / 0.05)
    inside = (0.2 * math.log(1 + size / 0.05), sign * 0.2 / (0.05 + size))
    return inside if size < 0.2 else (size - offset, sign)


@pytest.mark.parametrize("kind", KINDS)
@given(errors=st.lists(st.floats(-2, 2, width=32).filter(lambda e: abs(e) > 1e-3), min_size=1, max_size=9))
def test_build_error_penalty__is_that_of_the_paper(kind: str, errors: list[float]) -> None:
    values = torch.tensor(errors, requires_grad=True)
    losses = penalty_of(kind)(values)
    losses.sum().backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    expected, slopes = zip(*(by_hand(kind, error) for error in values.tolist()), strict=True)
    np.testing.assert_allclose(losses.tolist(), expected, rtol=1e-4, atol=1e-6)
    smooth = [min(abs(abs(e) - limit) for limit in (0.1, 0.2)) > 1e-6 for e in values.tolist()]
    np.testing.assert_allclose(values.grad.numpy()[smooth], np.array(slopes)[smooth], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_build_error_penalty__no_error_costs_nothing_and_pulls_nowhere(kind: str) -> None:
    errors = torch.zeros(2, 5, 2, requires_grad=True)
    loss = penalty_of(kind)(errors).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0.0
    assert errors.grad is not None
    assert not errors.grad.any()


def moments(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.stack([x, y, x.square(), y.square(), x * y]).mean(dim=1)


def test_concordance__equals_lins_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 40, 3, generator=generator, dtype=torch.float64)
    y = 0.6 * x + 0.5 * y + 0.2
    a, b = x.numpy(), y.numpy()
    covariance = ((a - a.mean(0)) * (b - b.mean(0))).mean(0)
    expected = 2 * covariance / (a.var(0) + b.var(0) + (a.mean(0) - b.mean(0)) ** 2)
    np.testing.assert_allclose(concordance(moments(x, y)).numpy(), expected, rtol=1e-9)


def test_concordance__is_1_of_equal_minus_1_of_opposite_and_0_of_constant_numbers() -> None:
    x = torch.tensor([[-1.0], [0.5], [0.5]], dtype=torch.float64)
    assert concordance(moments(x, x)).item() == pytest.approx(1)
    assert concordance(moments(x, -x)).item() == pytest.approx(-1)
    constant = torch.full_like(x, 0.3)
    assert concordance(moments(constant, x)).item() == pytest.approx(0, abs=1e-12)
    assert concordance(moments(constant, constant)).item() == 0
