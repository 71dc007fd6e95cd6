"""Verification metrics compared with scikit-learn, closed forms and brute force."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.metrics import roc_auc_score, roc_curve as roc_of_sklearn

from faceml.metrics.verification import (
    ScoredPairs,
    area_under_curve,
    bootstrap_interval,
    equal_error_rate,
    identification_rates,
    judge_folds,
    roc_curve,
    true_accepts_at,
    verification_accuracy,
    weights_of_resampled_people,
)

NORMAL = NormalDist()


def make_pairs(scores: list[float], same: list[bool], folds: list[int] | None = None) -> ScoredPairs:
    number = len(scores)
    people = np.arange(2 * number).reshape(number, 2)
    people[np.array(same), 1] = people[np.array(same), 0]
    return ScoredPairs(np.array(scores), np.array(same), np.array(folds or [0] * number), people)


def normal_pairs(number: int, distance: float, seed: int = 0) -> ScoredPairs:
    """Scores of two normal distributions whose means lie so far apart, in ten folds."""
    rng = np.random.default_rng(seed)
    same = np.arange(number) % 2 == 0
    scores = rng.normal(size=number) + distance * same
    return make_pairs(scores.tolist(), same.tolist(), (np.arange(number) * 10 // number).tolist())


# Few different scores, so that many are equal.
SCORED = st.lists(
    st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 3)), min_size=2, max_size=40
).filter(lambda rows: {same for _, same, _ in rows} == {True, False})


@given(SCORED)
def test_roc_curve__is_that_of_scikit_learn(rows: list[tuple[int, bool, int]]) -> None:
    scores, same, weights = (list(column) for column in zip(*rows, strict=True))
    weights = [weight + 1 for weight in weights]
    curve = roc_curve(make_pairs(scores, same), np.array(weights, dtype=float))
    false, true, _ = roc_of_sklearn(same, scores, sample_weight=weights, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_accepts, false)
    np.testing.assert_allclose(curve.true_accepts, true)
    for threshold, accepted in zip(curve.thresholds, curve.true_accepts, strict=True):
        taken = sum(
            w for score, one, w in zip(scores, same, weights, strict=True) if one and score >= threshold
        )
        of_one = sum(w for one, w in zip(same, weights, strict=True) if one)
        assert accepted == pytest.approx(taken / of_one)


def best_threshold(pairs: ScoredPairs, weights: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Try a threshold between every two scores; of several best ones return the highest."""
    scores = np.unique(pairs.scores)
    thresholds = [np.inf, *((scores[1:] + scores[:-1]) / 2)[::-1], -np.inf]
    right = [weights[(pairs.scores >= threshold) == pairs.same].sum() for threshold in thresholds]
    return float(thresholds[int(np.argmax(right))])


def test_verification_accuracy__takes_no_threshold_from_the_fold_it_judges() -> None:
    # Each fold alone is separable, at 0.5 and at 2.5, and half wrong at the other's threshold.
    scores, same = [1.0, 0.0, 3.0, 2.0], [True, False, True, False]
    pairs = make_pairs(scores, same, [0, 0, 1, 1])
    assert best_threshold(make_pairs(scores[:2], same[:2]), np.ones(2)) == 0.5
    assert verification_accuracy(pairs) == 0.5
    # A pair of weight 0 influences neither threshold nor accuracy.
    assert verification_accuracy(pairs, np.array([1.0, 1.0, 0.0, 1.0])) == pytest.approx(1 / 3)


@given(SCORED, st.integers(0, 10**6))
def test_verification_accuracy__judges_each_fold_at_the_best_threshold_of_the_others(
    rows: list[tuple[int, bool, int]], seed: int
) -> None:
    scores, same, weights = (np.array(column) for column in zip(*rows, strict=True))
    folds = np.random.default_rng(seed).integers(0, 3, len(rows))
    pairs, right = make_pairs(scores.tolist(), same.tolist(), folds.tolist()), 0.0
    for fold in range(3):
        inside = folds == fold
        threshold = best_threshold(pairs, np.where(inside, 0.0, weights + 1.0))
        right += (weights + 1)[inside & ((scores >= threshold) == same)].sum()
    assert verification_accuracy(pairs, weights + 1.0) == pytest.approx(right / (weights + 1).sum())


@given(SCORED, st.integers(0, 10**6))
def test_judge_folds__are_the_decisions_that_the_accuracy_counts(
    rows: list[tuple[int, bool, int]], seed: int
) -> None:
    scores, same, _ = (np.array(column) for column in zip(*rows, strict=True))
    folds = np.random.default_rng(seed).integers(0, 3, len(rows))
    pairs = make_pairs(scores.tolist(), same.tolist(), folds.tolist())
    found = judge_folds(pairs)
    assert (found.accepted == same).mean() == pytest.approx(verification_accuracy(pairs))
    for place, fold in enumerate(np.unique(folds)):
        inside = folds == fold
        threshold = best_threshold(pairs, np.where(inside, 0.0, 1.0))
        np.testing.assert_array_equal(found.accepted[inside], scores[inside] >= threshold)
        np.testing.assert_array_equal(found.accepted[inside], scores[inside] >= found.thresholds[place])
        assert found.accuracies[place] == (found.accepted == same)[inside].mean()


def test_judge_folds__neighbouring_scores_are_told_apart() -> None:
    """The middle of two neighbouring numbers is one of them."""
    low = 1.0
    high = np.nextafter(low, 2)
    pairs = make_pairs([high, low, high, low], [True, False, True, False], [0, 0, 1, 1])
    assert judge_folds(pairs).accepted.tolist() == [True, False, True, False]


@given(SCORED)
def test_area_under_curve__is_that_of_scikit_learn(rows: list[tuple[int, bool, int]]) -> None:
    scores, same, weights = (list(column) for column in zip(*rows, strict=True))
    weights = [weight + 1 for weight in weights]
    curve = roc_curve(make_pairs(scores, same), np.array(weights, dtype=float))
    assert area_under_curve(curve) == pytest.approx(roc_auc_score(same, scores, sample_weight=weights))


def test_verification_accuracy__of_two_normal_distributions_is_known() -> None:
    # The best threshold is in the middle, and the share on the right side of it Φ(distance / 2).
    accuracy = verification_accuracy(normal_pairs(40_000, 2.0))
    assert accuracy == pytest.approx(NORMAL.cdf(1.0), abs=0.006)


def test_equal_error_rate__of_two_normal_distributions_is_known() -> None:
    curve = roc_curve(normal_pairs(40_000, 2.0))
    assert equal_error_rate(curve) == pytest.approx(NORMAL.cdf(-1.0), abs=0.006)
    # TAR at a FAR: Φ(distance - Φ⁻¹(1 - FAR)).
    expected = NORMAL.cdf(2.0 - NORMAL.inv_cdf(0.99))
    assert true_accepts_at(curve, 0.01, 20_000) == pytest.approx(expected, abs=0.03)


def test_equal_error_rate__between_steps_is_on_the_line() -> None:
    # Half the pairs of one person are above everything, all others have one score: from (0, 1/2) to (1, 1).
    curve = roc_curve(make_pairs([1.0, 0.0, 0.0], [True, True, False]))
    assert equal_error_rate(curve) == pytest.approx(1 / 3)
    assert equal_error_rate(roc_curve(make_pairs([1.0, 0.0], [True, False]))) == 0.0
    assert equal_error_rate(roc_curve(make_pairs([0.0, 1.0], [True, False]))) == 1.0


def test_true_accepts_at__needs_enough_pairs_to_be_a_figure() -> None:
    curve = roc_curve(normal_pairs(2000, 2.0))
    assert true_accepts_at(curve, 1e-3, 1000) is None
    assert true_accepts_at(curve, 1e-2, 1000) is not None


def test_true_accepts_at__is_what_a_threshold_on_the_pairs_of_two_people_lets_in() -> None:
    pairs = normal_pairs(4000, 1.5)
    of_two = np.sort(pairs.scores[~pairs.same])[::-1]
    threshold = of_two[20]  # 20 of 2000 are above
    expected = (pairs.scores[pairs.same] > threshold).mean()
    assert true_accepts_at(roc_curve(pairs), 0.01, 2000) == pytest.approx(expected)


def test_identification_rates__counts_whom_the_gallery_puts_before_the_right_one() -> None:
    angles = np.deg2rad([0.0, 20.0, 90.0])
    gallery = np.column_stack([np.cos(angles), np.sin(angles)])
    probe_angles = np.deg2rad([5.0, 5.0, 5.0])
    probes = np.column_stack([np.cos(probe_angles), np.sin(probe_angles)])
    people = np.array([7, 8, 9])
    # The nearest is 7, then 8, then 9.
    assert identification_rates(gallery, people, probes, people, ranks=(1, 2, 3)) == {
        1: pytest.approx(1 / 3),
        2: pytest.approx(2 / 3),
        3: 1.0,
    }


def test_identification_rates__a_network_that_finds_all_alike_identifies_nobody() -> None:
    people, alike = np.arange(4), np.ones((4, 3)) / np.sqrt(3)
    assert identification_rates(alike, people, alike, people, ranks=(1, 3)) == {1: 0.0, 3: 0.0}
    assert identification_rates(alike, people, alike * np.nan, people, ranks=(1,)) == {1: 0.0}


def test_weights_of_resampled_people__are_as_wide_as_people_are_few() -> None:
    """Twenty people, each of whom is told from others always or never: only people count, not pairs."""
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(20), 50)
    right = people % 2 == 0
    pairs = ScoredPairs(
        right * 1.0, np.ones(1000, dtype=bool), np.zeros(1000, dtype=np.int64), people[:, None].repeat(2, 1)
    )
    shares = []
    for _ in range(2000):
        weights = weights_of_resampled_people(pairs, rng)
        assert weights.sum() == 1000
        shares.append(weights @ right / 1000)
    # A share of 20 independent people, not of 1000 pairs.
    assert np.std(shares) == pytest.approx(math.sqrt(0.25 / 20), rel=0.1)


def test_weights_of_resampled_people__a_pair_of_two_comes_as_often_as_both() -> None:
    pairs = ScoredPairs(
        np.zeros(4), np.array([True, True, False, False]), np.zeros(4, dtype=np.int64),
        np.array([[3, 3], [5, 5], [3, 5], [5, 9]]),
    )  # fmt: skip
    for seed in range(50):
        three, five, both, others = weights_of_resampled_people(pairs, np.random.default_rng(seed))
        assert both == three * five
        assert others == five * (3 - three - five)


def test_bootstrap_interval__is_the_value_plus_and_minus_z_deviations() -> None:
    samples = np.random.default_rng(0).normal(0.7, 0.02, 100_000)
    low, high = bootstrap_interval(0.8, samples)
    assert (low, high) == (
        pytest.approx(0.8 - 1.96 * 0.02, abs=5e-4),
        pytest.approx(0.8 + 1.96 * 0.02, abs=5e-4),
    )
