"""Intervals of differences: published examples, and coverage by simulation."""

import numpy as np
import pytest

from faceml.statistics.paired_proportions import paired_shares_interval
from faceml.statistics.proportions import difference_of_shares, paired_difference_of_shares


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [  # Newcombe 1998, table II, method 10: contrasts (a), (b), (e)
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
    ],
)
def test_difference_of_shares__is_that_of_the_paper(
    a: tuple[int, int], b: tuple[int, int], low: float, high: float
) -> None:
    found = difference_of_shares(a, b)
    assert found == pytest.approx((a[0] / a[1] - b[0] / b[1], low, high), abs=1e-4)
    assert found.is_resolved == (low > 0)


def test_paired_difference_of_shares__is_resolved_where_the_discordant_images_say_so() -> None:
    found = paired_difference_of_shares(12, 3, 100)
    assert found.value == 0.09
    assert found == (0.09, *paired_shares_interval(12, 3, 100))
    assert found.is_resolved
    assert not paired_difference_of_shares(5, 5, 100).is_resolved


def test_paired_difference_of_shares__covers_the_truth_as_often_as_it_says() -> None:
    rng, rounds = np.random.default_rng(0), 2000
    shares = [0.15, 0.08, 0.77]
    drawn = rng.multinomial(200, shares, rounds)
    found = [paired_difference_of_shares(int(a), int(b), 200) for a, b, _ in drawn]
    covered = np.mean([low <= 0.07 <= high for _, low, high in found])
    assert covered == pytest.approx(0.95, abs=0.015)
