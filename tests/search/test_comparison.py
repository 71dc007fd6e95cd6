"""Comparisons of settings, against their own differences, scipy's tests and searches with a known answer."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from faceml.search.comparison import (
    Comparison,
    Way,
    categorical_keys,
    common_epoch,
    compare_values,
    setting_values,
)
from faceml.search.trial import Trial
from tests.reporting.searches import grid, trial

RATES = [1e-4, 3e-4, 1e-3, 3e-3]
SEEDS = [0, 1, 2]


def noisy(seed: int, **gains: float) -> list[Trial]:
    """Return a full grid: a gain of each kind over `fixed`, an effect of each rate and seed, and noise."""
    rng = np.random.default_rng(seed)
    of_rate, of_seed = dict(zip(RATES, rng.normal(0, 0.05, 4), strict=True)), rng.normal(0, 0.03, 3)

    def score(rate: float, kind: str, seed: int) -> float:
        return float(0.7 + gains.get(kind, 0.0) + of_rate[rate] + of_seed[seed] + rng.normal(0, 0.01))

    return grid(score, rate=RATES, kind=["fixed", *gains], seed=SEEDS)


def differences(trials: list[Trial], value: str, rates: Sequence[float] = RATES) -> np.ndarray:
    """Return value less fixed, of shape (rates, seeds)."""
    best = {tuple(t.settings.values()): max(r["val/accuracy"] for r in t.records) for t in trials}
    return np.array([[best[r, value, s] - best[r, "fixed", s] for s in SEEDS] for r in rates])


def test_compare_values__each_seed_is_one_replicate() -> None:
    trials = noisy(0, uncertainty=0.02)
    (found,) = compare_values(trials, "weighting.kind", "matched")
    table = differences(trials, "uncertainty")
    theirs = stats.ttest_1samp(table.mean(axis=0), 0.0)
    limits = theirs.confidence_interval(0.95)
    assert (found.value, found.baseline) == ("uncertainty", "fixed")
    assert found.difference.mean == pytest.approx(table.mean())
    assert found.difference.interval == pytest.approx((limits.low, limits.high))
    assert found.difference.p_value == found.adjusted_p == pytest.approx(theirs.pvalue)
    assert found.difference.count == 3
    assert (found.pairs, found.pairs_won) == (12, int((table > 0).sum()))
    assert found.pairs_won + found.pairs_lost == 12


@pytest.mark.parametrize("way", ["tuned", "matched"])
def test_compare_values__of_one_seed_has_no_interval(way: Way) -> None:
    """Settings with one seed share its luck, so that they are no replicates."""
    trials = [t for t in noisy(1, uncertainty=0.2) if t.settings["seed"] == 0]
    (found,) = compare_values(trials, "weighting.kind", way)
    assert (found.difference.count, found.difference.interval, found.adjusted_p) == (1, None, None)
    assert (found.resolved, found.needed) == (False, None)


def test_compare_values__settings_of_one_value_alone_are_chosen_not_averaged_over() -> None:
    fixed = grid(
        lambda kind, weight, seed: 0.5 + 0.1 * weight + 0.01 * seed, kind=["fixed"], weight=[0, 1], seed=SEEDS
    )
    learned = grid(lambda kind, seed: 0.6 + 0.03 * seed, kind=["uncertainty"], seed=SEEDS)
    (found,) = compare_values(fixed + learned, "weighting.kind")
    # 0.60 − 0.60, 0.63 − 0.61 and 0.66 − 0.62.
    assert found.difference.mean == pytest.approx(0.02)
    assert found.difference.deviation == pytest.approx(0.02)
    assert found.choices == (1, 2)
    assert not compare_values(fixed + learned, "weighting.kind", "matched")


def test_compare_values__a_setting_of_one_value_that_is_drawn_is_not_averaged_over_either() -> None:
    """Under random search each round has one λ: a learning rate has one trial of each value."""
    rates = [0.1, 0.2, 0.3]
    fixed = [
        trial({"optimizer.learning_rate": r, "weighting.kind": "fixed", "weighting.λ": 1 / r, "seed": s}, r)
        for r in rates
        for s in SEEDS
    ]
    learned = grid(lambda rate, kind, seed: 0.5, rate=rates, kind=["dwa"], seed=SEEDS)
    assert not compare_values(fixed + learned, "weighting.kind", "matched")
    same = [replace(t, settings=t.settings | {"weighting.λ": 1.0}) for t in fixed]
    (found,) = compare_values(same + learned, "weighting.kind", "matched")
    assert found.pairs == 9


def test_compare_values__what_both_values_have_is_matched() -> None:
    """A weight that `fixed` and `pcgrad` both have is a setting as any other; 2 and 3 have no partner."""
    fixed = grid(lambda kind, weight, seed: 0.1 * weight, kind=["fixed"], weight=[1, 2, 4], seed=SEEDS)
    other = grid(
        lambda kind, weight, seed: 0.1 * weight + 0.01 * seed, kind=["pcgrad"], weight=[1, 3, 4], seed=SEEDS
    )
    (found,) = compare_values(fixed + other, "weighting.kind", "matched")
    assert found.difference.mean == pytest.approx(0.01)
    assert (found.pairs, found.choices) == (6, (2, 2))


def test_compare_values__failed_trials_and_their_settings_are_left_out() -> None:
    trials = grid(
        lambda rate, kind, seed: 0.5 + rate + 0.01 * seed + 0.1 * (kind == "dwa") * (1 + seed),
        rate=[0.1, 0.2],
        kind=["fixed", "dwa"],
        seed=SEEDS,
    )
    trials[-1] = replace(trials[-1], error="broken")  # dwa with 0.2 and the last seed
    (found,) = compare_values(trials, "weighting.kind")
    assert (found.failed, found.choices, found.epoch) == (1, (1, 2), None)
    # The rate 0.1 against the rate 0.2.
    assert found.difference.mean == pytest.approx(0.2 - 0.1)


@pytest.mark.parametrize("way", ["tuned", "matched"])
def test_compare_values__if_any_trial_was_stopped_all_are_compared_at_its_epoch(way: Way) -> None:
    trials = noisy(0, uncertainty=0.2)
    trials[0] = replace(trials[0], records=trials[0].records[:2])
    assert common_epoch(trials) == 2
    (early,) = compare_values(trials, "weighting.kind", way)
    cut = [replace(t, records=t.records[:2], max_epochs=2) for t in trials]
    (expected,) = compare_values(cut, "weighting.kind", way)
    assert early.difference == expected.difference
    assert (early.epoch, expected.epoch) == (2, None)
    assert (early.resolved, expected.resolved) == (False, True)


def test_compare_values__adjusts_for_all_pairs_of_values() -> None:
    trials = noisy(3, uncertainty=0.03, dwa=0.0, rlw=-0.03)
    found = compare_values(trials, "weighting.kind")
    assert [(c.value, c.baseline) for c in found] == [
        ("dwa", "fixed"),
        ("rlw", "fixed"),
        ("uncertainty", "fixed"),
        ("rlw", "dwa"),
        ("uncertainty", "dwa"),
        ("uncertainty", "rlw"),
    ]
    p_values = sorted(c.difference.p_value or 0.0 for c in found)
    smallest = min(found, key=lambda c: c.difference.p_value or 0.0)
    assert smallest.adjusted_p == pytest.approx(6 * p_values[0])
    assert {c.comparisons for c in found} == {6}
    adjusted = sorted(c.adjusted_p or 0.0 for c in found)
    for rank, value in enumerate(adjusted):
        assert value >= min(1.0, (6 - rank) * p_values[rank]) - 1e-12


def test_compare_values__lower_is_better_where_it_is() -> None:
    trials = [
        trial(
            {"weighting.kind": kind, "seed": seed},
            score + 0.001 * seed * (kind == "dwa"),
            metric="val/landmark_mse",
        )
        for kind, score in (("fixed", 0.05), ("dwa", 0.02))
        for seed in SEEDS
    ]
    (found,) = compare_values(trials, "weighting.kind")
    assert found.difference.mean < 0
    assert (found.better, found.resolved, found.pairs_won) == ("dwa", True, 3)


def test_compare_values__by_last_epoch_is_without_the_choice_of_the_best() -> None:
    def records(scores: list[float]) -> list[dict[str, float]]:
        return [{"epoch": epoch, "val/accuracy": score} for epoch, score in enumerate(scores, start=1)]

    trials = [
        Trial(f"{kind}{seed}", {"weighting.kind": kind, "seed": seed}, records(scores), 2)
        for kind, scores in (("fixed", [0.5, 0.6]), ("dwa", [0.8, 0.5]))
        for seed in SEEDS
    ]
    (found,) = compare_values(trials, "weighting.kind")
    assert found.difference.mean == pytest.approx(0.2)
    assert found.last_difference == pytest.approx(-0.1)


def test_compare_values__equal_differences_say_nothing_of_chance() -> None:
    trials = grid(
        lambda kind, seed: 0.5 + 0.1 * (kind == "dwa") + 0.03 * seed, kind=["fixed", "dwa"], seed=SEEDS
    )
    (found,) = compare_values(trials, "weighting.kind")
    assert (found.adjusted_p, found.resolved, found.needed) == (None, False, None)


def test_compare_values__tuned_chooses_settings_by_their_mean_over_seeds() -> None:
    """The best of two settings has the best mean; it is tested against each one of the other value."""
    table = {1: [0.50, 0.90, 0.60], 2: [0.70, 0.65, 0.80]}
    fixed = grid(lambda kind, weight, seed: table[weight][seed], kind=["fixed"], weight=[1, 2], seed=SEEDS)
    learned = grid(lambda kind, seed: 0.9 + 0.01 * seed, kind=["uncertainty"], seed=SEEDS)
    (found,) = compare_values(fixed + learned, "weighting.kind")
    scores = [0.9, 0.91, 0.92]
    assert found.difference.mean == pytest.approx(np.mean(scores) - np.mean(table[2]))
    assert found.difference.deviation == pytest.approx(np.std(np.subtract(scores, table[2]), ddof=1))
    worst = max(stats.ttest_rel(scores, table[key], alternative="greater").pvalue for key in table)
    assert found.difference.p_value == pytest.approx(2 * worst)
    assert found.way == "tuned"


def test_compare_values__tuned_with_one_setting_is_a_paired_t_test() -> None:
    one_setting = [t for t in noisy(0, dwa=0.1) if t.settings["optimizer.learning_rate"] == RATES[0]]
    (found,) = compare_values(one_setting, "weighting.kind")
    theirs = stats.ttest_1samp(differences(one_setting, "dwa", RATES[:1])[0], 0.0)
    assert found.difference.p_value == pytest.approx(theirs.pvalue)
    assert not compare_values(one_setting, "weighting.kind", "matched"), "one setting has no average"


def test_compare_values__needs_settings_with_every_seed() -> None:
    trials = noisy(0, dwa=0.1)
    drawn = [t for n, t in enumerate(trials) if t.settings["seed"] == n // 6 % 3]
    assert not compare_values(drawn, "weighting.kind")
    (found,) = compare_values(drawn, "weighting.kind", "matched")
    assert found.difference.count == 3


def test_compare_values__of_no_difference_is_resolved_in_one_of_twenty() -> None:
    """Among three weightings without any difference a verdict is false in at most 5 % of searches."""
    false = [
        any(c.resolved for c in compare_values(noisy(n, dwa=0.0, rlw=0.0), "weighting.kind", "matched"))
        for n in range(300)
    ]
    assert np.mean(false) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_compare_values__covers_the_truth_where_pairs_of_a_seed_resemble_each_other() -> None:
    """A seed may suit one weighting with every learning rate: to count pairs would be too sure."""
    rng = np.random.default_rng(0)
    covered, naive = [], []
    for _ in range(300):
        luck = rng.normal(0, 0.01, 3)

        def score(rate: float, kind: str, seed: int, luck: np.ndarray = luck) -> float:
            return float(0.7 + (0.02 + luck[seed]) * (kind == "dwa") + rng.normal(0, 0.004))

        trials = grid(score, rate=RATES, kind=["fixed", "dwa"], seed=SEEDS)
        (found,) = compare_values(trials, "weighting.kind", "matched")
        assert found.difference.interval is not None
        low, high = found.difference.interval
        covered.append(low <= 0.02 <= high)
        limits = stats.ttest_1samp(differences(trials, "dwa").ravel(), 0.0).confidence_interval(0.95)
        naive.append(limits.low <= 0.02 <= limits.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 300))
    assert np.mean(naive) < 0.85


def test_turned__is_the_other_way_round() -> None:
    (found,) = compare_values(noisy(0, dwa=0.1), "weighting.kind")
    turned: Comparison = found.turned
    assert (turned.value, turned.baseline) == ("fixed", "dwa")
    assert turned.difference.mean == -found.difference.mean
    assert turned.difference.interval == tuple(-limit for limit in reversed(found.difference.interval or ()))
    assert (turned.pairs_won, turned.better) == (found.pairs_lost, found.better)
    assert turned.turned == found


def test_categorical_keys__named_values_the_weighting_first() -> None:
    settings = {
        "model.backbone": "resnet18",
        "optimizer.learning_rate": 0.1,
        "weighting.kind": "fixed",
        "seed": 0,
    }
    other = settings | {
        "model.backbone": "resnet50",
        "optimizer.learning_rate": 0.2,
        "weighting.kind": "dwa",
        "seed": 1,
    }
    trials = [trial(settings, 0.5), trial(other, 0.5)]
    assert categorical_keys(trials) == ["weighting.kind", "model.backbone"]
    assert categorical_keys(trials[:1]) == []
    assert setting_values(trials, "weighting.kind") == ["fixed", "dwa"]
