"""Wilson's interval against published values and against its definition."""

import math

import pytest
from hypothesis import given, strategies as st

from faceml.statistics.intervals import wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval__published_values(successes: int, trials: int, low: float, high: float) -> None:
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval__limits_are_where_the_score_test_just_rejects(counts: tuple[int, int]) -> None:
    successes, trials = counts
    share = successes / trials
    low, high = wilson_interval(successes, trials)
    assert 0.0 <= low <= share <= high <= 1.0
    for limit in {low, high} - {0.0, 1.0}:
        score = abs(share - limit) / math.sqrt(limit * (1 - limit) / trials)
        assert score == pytest.approx(1.959964, rel=1e-4)


def test_wilson_interval__higher_confidence_is_wider() -> None:
    low, high = wilson_interval(9, 10, confidence=0.99)
    assert low < wilson_interval(9, 10)[0]
    assert high > wilson_interval(9, 10)[1]


def test_wilson_interval__without_trials_nothing_is_known() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "trials"), [(3, 2), (-1, 2)])
def test_wilson_interval__impossible_counts_are_an_error(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="trials"):
        wilson_interval(successes, trials)
