"""Intervals of errors and of concordance, by simulation and by hand."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from faceml.statistics.agreement import concordance, concordance_interval, root_mean_square_interval


def test_root_mean_square_interval__is_that_of_the_mean_square() -> None:
    errors = np.random.default_rng(0).normal(size=40)
    low, high = ttest_1samp(errors**2, 0).confidence_interval()
    assert root_mean_square_interval(errors) == pytest.approx((math.sqrt(low), math.sqrt(high)))
    assert root_mean_square_interval(errors[:1]) is None
    assert root_mean_square_interval(np.array([0.0, 9.0]))[0] == 0.0  # type: ignore[index]


def test_concordance__of_a_shift_and_of_a_scale() -> None:
    truth = np.array([-1.0, 0.0, 1.0])
    assert concordance(truth, truth) == pytest.approx(1)
    # 2·cov / (var + var + shift²), with variances of 2/3
    assert concordance(truth + 1, truth) == pytest.approx((4 / 3) / (4 / 3 + 1))
    assert concordance(2 * truth, truth) == pytest.approx((8 / 3) / (8 / 3 + 2 / 3))
    assert math.isnan(concordance(np.ones(3), np.ones(3)))
    assert math.isnan(concordance(np.ones(0), np.ones(0)))


@pytest.mark.parametrize(
    ("number", "r", "shift", "scale"), [(40, 0.8, 0.3, 1.2), (100, 0.0, 0.0, 1.0), (100, -0.4, 0.5, 1.5)]
)
def test_concordance_interval__covers_the_true_value(
    number: int, r: float, shift: float, scale: float
) -> None:
    rng, rounds = np.random.default_rng(0), 1500
    true = 2 * r * scale / (1 + scale**2 + shift**2)
    covered = 0
    for _ in range(rounds):
        x = rng.normal(size=number)
        y = scale * (r * x + math.sqrt(1 - r**2) * rng.normal(size=number)) + shift
        low, high = concordance_interval(y, x) or (1.0, -1.0)
        covered += low <= true <= high
    assert 0.93 < covered / rounds < 0.97


def test_concordance_interval__of_constants_and_of_few_pairs_is_none() -> None:
    numbers = np.array([1.0, 2.0, 3.0, 5.0])
    assert concordance_interval(np.ones(4), numbers) is None
    assert concordance_interval(numbers[:0], numbers[:0]) is None
    assert concordance_interval(numbers[:3], numbers[:3]) is None
    assert concordance_interval(numbers, numbers) == (1.0, 1.0) or concordance(numbers, numbers) < 1
