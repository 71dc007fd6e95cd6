"""Tango's interval against its definition, with the constrained likelihood maximised by search."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from faceml.statistics.paired_proportions import paired_shares_interval

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
