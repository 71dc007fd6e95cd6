"""Verdicts about arms: real differences are found, chance is called chance, at the rates promised."""

import numpy as np
import pytest
from scipy import stats

from faceml.metrics.verification import ScoredPairs, verification_accuracy
from faceml.search.arms import compare_arms, images_to_reach, student_interval

PEOPLE = 60


def scored(distance: float, rng: np.random.Generator, shift: np.ndarray | None = None) -> ScoredPairs:
    """Pairs of 60 people in ten folds; some people are harder, which `shift` says."""
    shift = np.zeros(PEOPLE) if shift is None else shift
    people = np.arange(PEOPLE).repeat(10)
    fold = people * 10 // PEOPLE
    other = (people + 1 + rng.integers(0, 5, len(people))) % 6 + 6 * (people // 6)
    other = np.where(other == people, (people + 1) % 6 + 6 * (people // 6), other)
    scores = np.concatenate(
        [rng.normal(distance, 1, len(people)) - shift[people], rng.normal(0, 1, len(people)) + shift[people]]
    )
    return ScoredPairs(
        scores,
        np.arange(2 * len(people)) < len(people),
        np.concatenate([fold, fold]),
        np.concatenate([np.column_stack([people, people]), np.column_stack([people, other])]),
    )


def test_compare_arms__a_difference_is_found_and_its_absence_too() -> None:
    rng = np.random.default_rng(1)
    shift = rng.normal(0, 0.4, PEOPLE)
    arms = {
        name: [scored(distance, rng, shift) for _ in range(3)]
        for name, distance in (("weak", 1.0), ("also weak", 1.0), ("strong", 2.5))
    }
    study = compare_arms(arms, rounds=200)
    (first, second) = compare_arms(arms, rounds=200, reference="weak").comparisons
    assert (first.other, second.other) == ("also weak", "strong")
    widths = [
        (of.difference.high - of.difference.low) / (wide.difference.high - wide.difference.low)
        for of, wide in ((first, study.comparisons[0]), (second, study.comparisons[1]))
    ]
    assert max(widths) < 1, "corrected for two comparisons instead of three"
    for name, runs in arms.items():
        assert study.accuracies[name].value == pytest.approx(
            np.mean([verification_accuracy(r) for r in runs])
        )
        assert study.accuracies[name].low < study.accuracies[name].value < study.accuracies[name].high
    found = {(c.arm, c.other): c for c in study.comparisons}
    assert set(found) == {("weak", "also weak"), ("weak", "strong"), ("also weak", "strong")}
    assert not found["weak", "also weak"].resolved
    assert found["weak", "strong"].resolved
    assert found["weak", "strong"].difference.high < -0.05


def test_compare_arms__limits_of_an_accuracy_are_shares() -> None:
    rng = np.random.default_rng(4)
    study = compare_arms({name: [scored(d, rng) for d in (1.2, 6.0)] for name in ("one", "other")}, rounds=50)
    for found in study.accuracies.values():
        assert 0 <= found.low < found.value < found.high == 1.0
    assert study.comparisons[0].difference.low < -0.5, "differences are not limited to shares"


def test_compare_arms__equal_arms_are_seldom_called_unequal() -> None:
    """Of arms that differ by nothing but their seeds, few in a hundred are to be told apart."""
    rng = np.random.default_rng(3)
    wrong = 0
    for number in range(60):
        shift = rng.normal(0, 0.4, PEOPLE)
        arms = {
            name: [scored(1.5 + rng.normal(0, 0.15), rng, shift) for _ in range(3)]
            for name in ("one", "other")
        }
        wrong += compare_arms(arms, rounds=50, seed=number).comparisons[0].resolved
    assert wrong <= 9  # with 5 % of 60, more than 9 would come once in 600 times


def test_compare_arms__one_seed_gives_no_verdict() -> None:
    """Without the unknown variance over seeds, arms that differ by their seed alone look different."""
    rng = np.random.default_rng(1)
    arms = {name: [scored(distance, rng)] for name, distance in (("weak", 1.0), ("strong", 2.5))}
    (found,) = compare_arms(arms, rounds=100).comparisons
    assert found.difference.is_resolved, "by the people alone"
    assert (found.seeds, found.resolved) == (1, False)
    arms["weak"].append(scored(1.0, rng))
    assert not compare_arms(arms, rounds=100).comparisons[0].resolved


def test_images_to_reach__is_on_the_line_between_measurements() -> None:
    images, accuracies = [100, 200, 300], [0.5, 0.7, 0.6]
    assert images_to_reach(images, accuracies, 0.6) == pytest.approx(150)
    assert images_to_reach(images, accuracies, 0.4) == 100
    assert images_to_reach(images, accuracies, 0.7) == pytest.approx(200)
    assert images_to_reach(images, accuracies, 0.71) is None


def test_compare_arms__few_seeds_that_differ_much_make_wide_intervals() -> None:
    rng = np.random.default_rng(5)
    steady = [scored(1.5, rng) for _ in range(3)]
    loose = [scored(distance, rng) for distance in (0.8, 1.5, 2.2)]
    study = compare_arms({"steady": steady, "loose": loose}, rounds=100)
    widths = {name: found.high - found.low for name, found in study.accuracies.items()}
    assert widths["loose"] > 2 * widths["steady"]


def test_student_interval__is_welchs_for_two_samples() -> None:
    a, b = np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.7, 0.6, 0.9])
    parts = [(a.var(ddof=1) / 3, 2), (b.var(ddof=1) / 4, 3)]
    difference = float(a.mean() - b.mean())
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert student_interval(difference, parts) == pytest.approx((expected.low, expected.high))
    assert student_interval(0.3, [(0.0, 5)]) == (0.3, 0.3)
