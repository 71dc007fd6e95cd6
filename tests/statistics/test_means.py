"""Intervals, tests and numbers of seeds, against tables, scipy's own tests and simulated experiments."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from faceml.statistics.means import (
    MOST_REPLICATES,
    difference_of_best,
    holm,
    mean_interval,
    paired_difference,
    replicates_needed,
)

# Student 1908, "The probable error of a mean": hours of sleep gained with two drugs by the same ten patients.
SLEEP_A = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_B = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def covering_share(intervals: list[tuple[float, float]], truth: float) -> float:
    return float(np.mean([low <= truth <= high for low, high in intervals]))


def test_mean_interval__of_two_is_the_cauchy_quantile() -> None:
    # With one degree of freedom t is Cauchy, whose 97.5 % quantile is tan(0.475 π).
    interval = mean_interval([1.0, 3.0])
    assert interval is not None
    assert interval[1] - 2 == pytest.approx(math.tan(0.475 * math.pi))
    assert interval[0] == pytest.approx(4 - interval[1])


def test_mean_interval__of_three_is_the_tables() -> None:
    interval = mean_interval([0.70, 0.72, 0.77])
    assert interval is not None
    deviation = math.sqrt((0.03**2 + 0.01**2 + 0.04**2) / 2)
    assert interval == pytest.approx(
        (0.73 - 4.303 * deviation / 3**0.5, 0.73 + 4.303 * deviation / 3**0.5), abs=1e-5
    )


def test_mean_interval__one_value_has_none() -> None:
    assert mean_interval([0.7]) is None


@pytest.mark.parametrize("count", [2, 3, 5])
def test_mean_interval__covers_as_often_as_it_says(count: int) -> None:
    drawn = np.random.default_rng(count).normal(0.7, 0.02, (4000, count))
    intervals = [interval for row in drawn if (interval := mean_interval(row.tolist()))]
    assert covering_share(intervals, 0.7) == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 4000))


def test_paired_difference__is_students_sleep_experiment() -> None:
    found = paired_difference([b - a for a, b in zip(SLEEP_A, SLEEP_B, strict=True)])
    theirs = stats.ttest_rel(SLEEP_B, SLEEP_A)
    assert found.mean == pytest.approx(1.58)
    assert found.deviation == pytest.approx(1.230, abs=5e-4)
    assert found.interval == pytest.approx((0.70, 2.46), abs=5e-3)
    assert found.p_value == pytest.approx(theirs.pvalue)
    assert found.p_value == pytest.approx(0.002833, abs=5e-7)
    assert found.count == 10


def test_paired_difference__one_pair_says_nothing_of_chance() -> None:
    found = paired_difference([0.012])
    assert (found.mean, found.interval, found.p_value, found.deviation) == (0.012, None, None, None)


@pytest.mark.parametrize(("value", "p_value"), [(0.25, 0.0), (0.0, 1.0)])
def test_paired_difference__without_variance_is_a_point(value: float, p_value: float) -> None:
    found = paired_difference([value] * 3)
    assert (found.interval, found.p_value, found.deviation) == ((value, value), p_value, 0.0)


def test_difference_of_best__recomputed_pair_by_pair() -> None:
    """Against scipy's one-sided tests: the chosen of two at half the level, against each of three."""
    rng = np.random.default_rng(0)
    a, b = rng.normal([[3.0], [0.0]], 1, (2, 4)), rng.normal(0, 1, (3, 4))
    found = difference_of_best(a, b)
    chosen, best = a[a.mean(axis=1).argmax()], b[b.mean(axis=1).argmax()]
    assert found.mean == pytest.approx(chosen.mean() - best.mean())
    tests = [stats.ttest_rel(chosen, other, alternative="greater") for other in b]
    assert found.p_value == pytest.approx(2 * 2 * max(test.pvalue for test in tests))
    assert found.interval is not None
    lows = [
        (chosen - other).mean() - stats.t.ppf(1 - 0.025 / 2, 3) * stats.sem(chosen - other) for other in b
    ]
    highs = [(one - best).mean() + stats.t.ppf(1 - 0.025 / 3, 3) * stats.sem(one - best) for one in a]
    assert found.interval == pytest.approx((min(lows), max(highs)))
    turned = difference_of_best(b, a)
    assert turned.p_value == pytest.approx(found.p_value)
    assert turned.interval == pytest.approx((-found.interval[1], -found.interval[0]))
    assert found.negated.negated == found


def test_difference_of_best__a_lead_that_is_always_the_same_is_none_over_an_equal() -> None:
    a = np.array([[0.5, 0.75, 1.0]])
    b = np.array([[0.25, 0.5, 0.5], [0.5, 0.75, 1.0], [0.5, 0.5, 0.75]])
    assert difference_of_best(a, b).interval == (0.0, 0.0)
    lead = difference_of_best(a, b[::2])
    assert lead.p_value is not None
    assert lead.varies


@pytest.mark.parametrize("choices", [(1, 1), (5, 1), (4, 4)])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_difference_of_best__covers_the_true_difference(choices: tuple[int, int], count: int) -> None:
    """Of equally good candidates; without the correction it is wrong in up to 11 %."""
    rng, rounds = np.random.default_rng(count), 1000
    wrong = 0
    for _ in range(rounds):
        luck = rng.normal(0, 1, count)
        a, b = (luck + rng.normal(0, 1, (number, count)) for number in choices)
        p_value, interval = difference_of_best(a, b).p_value, difference_of_best(a, b).interval
        assert p_value is not None
        assert interval is not None
        assert (p_value <= 0.05) == (not interval[0] <= 0 <= interval[1])
        wrong += p_value <= 0.05
    assert wrong / rounds <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / rounds)


@pytest.mark.parametrize(("effect", "count"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_replicates_needed__is_cohens_table(effect: float, count: int) -> None:
    """Of a paired t test at 5 %, two-sided, with power 80 %: small, medium and large effects."""
    assert replicates_needed(effect, 1.0) == count
    assert replicates_needed(-effect / 100, 0.01) == count


@pytest.mark.parametrize(("effect", "count"), [(2.0, 5), (3.0, 4), (4.0, 3), (10.0, 3), (30.0, 2)])
def test_replicates_needed__large_effects_need_few(effect: float, count: int) -> None:
    """Against simulated tests; scipy's noncentral t has NaN where a probability is far below 1e-300."""
    assert replicates_needed(effect, 1.0) == count
    rng = np.random.default_rng(0)

    def power(pairs: int) -> float:
        drawn = rng.normal(effect, 1.0, (20_000, pairs))
        return float(np.mean(stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05))

    assert power(count) > 0.8
    assert count == 2 or power(count - 1) < 0.8


def test_replicates_needed__finds_the_difference_that_often() -> None:
    count = replicates_needed(0.012, 0.01)
    assert count is not None
    rng = np.random.default_rng(1)

    def found(pairs: int) -> float:
        drawn = rng.normal(0.012, 0.01, (4000, pairs))
        return float(np.mean(stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05))

    assert found(count) >= 0.8 - 4 * 0.0063
    assert found(count - 1) < 0.8 + 4 * 0.0063
    assert found(count - 2) < 0.8 < found(count + 2)


def test_replicates_needed__a_stricter_test_needs_more() -> None:
    """Power recomputed from the definition of noncentral t, a normal over the root of a chi-square."""
    level, count = 0.05 / 10, replicates_needed(0.5, 1.0, significance=0.05 / 10)

    def power(pairs: int) -> float:
        critical, freedom = stats.t.ppf(1 - level / 2, pairs - 1), pairs - 1
        chi = np.linspace(1e-6, 1, 20_001)[1:-1]
        spread = np.sqrt(stats.chi2.ppf(chi, freedom) / freedom)
        centre = 0.5 * math.sqrt(pairs)
        return float(
            np.mean(stats.norm.sf(critical * spread - centre) + stats.norm.cdf(-critical * spread - centre))
        )

    assert count is not None
    assert power(count - 1) < 0.8 <= power(count)


def test_replicates_needed__nothing_to_find_and_nothing_in_the_way() -> None:
    assert replicates_needed(0.0, 1.0) is None
    assert replicates_needed(0.0, 0.0) is None
    assert replicates_needed(0.02, 0.0) == 2
    assert replicates_needed(1e-6, 1.0) is None
    assert replicates_needed(0.09, 1.0) in range(900, MOST_REPLICATES + 1)


def test_holm__is_the_example_of_four() -> None:
    # 0.005·4, 0.01·3; 0.03·2 makes the larger 0.04·1 no smaller than 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7]) == [0.7]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm__rejects_as_the_step_down_procedure(p_values: list[float]) -> None:
    rejected: set[int] = set()
    for step, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] * (len(p_values) - step) > 0.05:
            break
        rejected.add(index)
    assert {index for index, value in enumerate(holm(p_values)) if value <= 0.05} == rejected


def test_paired_difference__of_accuracies_in_float32_that_differ_equally_has_no_variance() -> None:
    """Of 408 images: 224 and 219 are right with one value, 205 and 200 with the other, 19 fewer each time."""
    a, b = (np.array(right, np.float32) / np.float32(408) for right in ([224, 219], [205, 200]))
    found = difference_of_best(a.astype(float)[None], b.astype(float)[None])
    assert not found.varies
    assert found.mean == pytest.approx(19 / 408, rel=1e-6)
