"""Share of a variance within groups, against formulas, and against values that differ by chance alone."""

import numpy as np
import pytest
from scipy import stats

from faceml.statistics.variance import share_within_groups


def test_share_within_groups__is_recomputed_from_mean_squares() -> None:
    groups = np.array([[1.0, 2.0, 4.0], [3.0, 5.0, 7.0], [9.0, 10.0, 8.0], [2.0, 2.5, 0.0]])
    within, ratio = groups.var(axis=1, ddof=1).mean(), stats.f_oneway(*groups).statistic
    between = groups.mean(axis=1).var(ddof=1) - within / 3
    found = share_within_groups(groups.tolist())
    assert found is not None
    assert found.value == pytest.approx(within / (within + between))
    low, high = (3 / (ratio / stats.f.ppf(level, 3, 8) + 2) for level in (0.025, 0.975))
    assert (found.low, found.high) == pytest.approx((low, high))


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_share_within_groups__of_pure_noise_is_all_of_it(seeds: int) -> None:
    """The ratio of the sums of squares is 52, 69 and 81 % on average for 12 groups of 2, 3 and 5."""
    rng = np.random.default_rng(seeds)
    found = [share_within_groups(rng.normal(0.6, 0.01, (12, seeds)).tolist()) for _ in range(500)]
    estimates = [estimate for estimate in found if estimate is not None]
    assert np.median([estimate.value for estimate in estimates]) > 0.95
    assert np.mean([estimate.high == 1.0 for estimate in estimates]) > 0.95


@pytest.mark.parametrize("sizes", [[3] * 12, [2, 2, 3, 3, 4, 5, 5, 2]])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_share_within_groups__covers_the_true_share(sizes: list[int], share: float) -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(500):
        groups = [rng.normal(0, np.sqrt(1 - share)) + rng.normal(0, np.sqrt(share), size) for size in sizes]
        found = share_within_groups([group.tolist() for group in groups])
        assert found is not None
        covered.append(found.low <= share <= found.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)


def test_share_within_groups__needs_several_groups_and_repeats() -> None:
    assert share_within_groups([[1.0, 2.0]]) is None
    assert share_within_groups([[1.0], [2.0]]) is None
    assert share_within_groups([[1.0, 1.0], [1.0], []]) is None
    assert share_within_groups([[1.0, 1.0], [2.0, 2.0]]) == (0.0, 0.0, 0.0)
