"""Intervals of proportions: published examples, their definitions, and coverage by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from faceml.statistics.proportions import (
    difference_of_shares,
    paired_difference_of_shares,
    paired_shares_interval,
    wilson_interval,
)


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
    with pytest.raises(ValueError, match=r"^k "):
        wilson_interval(successes, trials)


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


COUNTS = st.integers(1, 500).flatmap(
    lambda n: st.integers(0, n).flatmap(
        lambda gained: st.tuples(st.just(gained), st.integers(0, n - gained), st.just(n))
    )
)


def score_by_search(difference: float, gained: int, lost: int, trials: int) -> float:
    """The score at a difference, its nuisance parameter found among many instead of solved for."""
    q = np.linspace(max(0.0, -difference), (1 - difference) / 2, 400_001)[1:-1]
    likelihood = (
        gained * np.log(q + difference)
        + lost * np.log(q)
        + (trials - gained - lost) * np.log1p(-2 * q - difference)
    )
    best = q[np.argmax(likelihood)]
    return float(
        (gained - lost - trials * difference)
        / math.sqrt(trials * (2 * best + difference - difference * difference))
    )


@pytest.mark.parametrize(("gained", "lost", "trials"), [(12, 3, 100), (3, 12, 100), (1, 0, 44), (40, 41, 90)])
def test_paired_shares_interval__limits_are_where_the_score_test_just_rejects(
    gained: int, lost: int, trials: int
) -> None:
    low, high = paired_shares_interval(gained, lost, trials)
    assert score_by_search(low, gained, lost, trials) == pytest.approx(1.959964, abs=2e-3)
    assert score_by_search(high, gained, lost, trials) == pytest.approx(-1.959964, abs=2e-3)


@given(COUNTS)
def test_paired_shares_interval__holds_the_difference_and_mirrors_when_the_two_change_places(
    counts: tuple[int, int, int],
) -> None:
    gained, lost, trials = counts
    low, high = paired_shares_interval(gained, lost, trials)
    assert -1.0 <= low <= (gained - lost) / trials <= high <= 1.0
    assert low < high
    mirrored = paired_shares_interval(lost, gained, trials)
    assert mirrored == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize("trials", [1, 20, 5000])
def test_paired_shares_interval__where_no_trial_differs_it_is_as_wide_as_they_are_few(trials: int) -> None:
    squared = 1.959964**2
    limit = squared / (trials + squared)
    assert paired_shares_interval(0, 0, trials) == pytest.approx((-limit, limit), rel=1e-5)


def test_paired_shares_interval__of_many_is_that_of_the_normal_distribution() -> None:
    gained, lost, trials = 30_000, 20_000, 1_000_000
    deviation = math.sqrt(gained + lost - (gained - lost) ** 2 / trials) / trials
    expected = (0.01 - 1.959964 * deviation, 0.01 + 1.959964 * deviation)
    assert paired_shares_interval(gained, lost, trials) == pytest.approx(expected, rel=1e-3)


def test_paired_shares_interval__covers_the_true_difference_in_19_of_20_samples() -> None:
    rng = np.random.default_rng(0)
    samples = rng.multinomial(200, [0.04, 0.02, 0.94], size=1500)
    intervals = [paired_shares_interval(int(gained), int(lost), 200) for gained, lost, _ in samples]
    covered = np.mean([low <= 0.02 <= high for low, high in intervals])
    assert 0.93 < covered < 0.975


def test_paired_shares_interval__without_trials_nothing_is_known() -> None:
    assert paired_shares_interval(0, 0, 0) == (-1.0, 1.0)


@pytest.mark.parametrize(("gained", "lost"), [(3, 2), (-1, 2)])
def test_paired_shares_interval__impossible_counts_are_an_error(gained: int, lost: int) -> None:
    with pytest.raises(ValueError, match="trials"):
        paired_shares_interval(gained, lost, 4)
