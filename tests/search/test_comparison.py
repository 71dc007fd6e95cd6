"""Comparisons of settings, against their own differences, scipy's tests and searches with a known answer."""

import numpy as np
import pytest
from scipy import stats

from faceml.search.comparison import (
    Comparison,
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


def differences(trials: list[Trial], value: str) -> np.ndarray:
    """Return value less fixed, of shape (rates, seeds)."""
    best = {tuple(t.settings.values()): max(r["val/accuracy"] for r in t.records) for t in trials}
    return np.array([[best[r, value, s] - best[r, "fixed", s] for s in SEEDS] for r in RATES])


def test_compare_values__each_seed_is_one_replicate() -> None:
    trials = noisy(0, uncertainty=0.02)
    (found,) = compare_values(trials, "weighting.kind")
    table = differences(trials, "uncertainty")
    theirs = stats.ttest_1samp(table.mean(axis=0), 0.0)
    limits = theirs.confidence_interval(0.95)
    assert (found.value, found.baseline) == ("uncertainty", "fixed")
    assert found.difference.mean == pytest.approx(table.mean())
    assert found.difference.interval == pytest.approx((limits.low, limits.high))
    assert found.difference.p_value == found.adjusted_p == pytest.approx(theirs.pvalue)
    assert (found.replicates, found.difference.counts) == ("seeds", (3,))
    assert (found.pairs, found.pairs_won) == (12, int((table > 0).sum()))
    assert found.pairs_won + found.pairs_lost == 12


def test_compare_values__of_one_seed_each_setting_is_one() -> None:
    trials = [t for t in noisy(1, uncertainty=0.02) if t.settings["seed"] == 0]
    (found,) = compare_values(trials, "weighting.kind")
    best = {
        (t.settings["weighting.kind"], t.settings["optimizer.learning_rate"]): t.best_score for t in trials
    }
    expected = [best["uncertainty", rate] - best["fixed", rate] for rate in RATES]
    assert found.difference.p_value == pytest.approx(stats.ttest_1samp(expected, 0.0).pvalue)
    assert (found.replicates, found.difference.counts) == ("settings", (4,))


def test_compare_values__without_partners_is_welchs() -> None:
    rng = np.random.default_rng(2)
    arms = {"fixed": rng.normal(0.7, 0.01, 4), "uncertainty": rng.normal(0.75, 0.03, 6)}
    trials = [
        trial({"optimizer.learning_rate": float(rng.uniform()), "weighting.kind": kind}, score)
        for kind, scores in arms.items()
        for score in scores
    ]
    (found,) = compare_values(trials, "weighting.kind")
    theirs = stats.ttest_ind(arms["uncertainty"], arms["fixed"], equal_var=False)
    assert found.difference.p_value == pytest.approx(theirs.pvalue)
    assert (found.replicates, found.difference.counts, found.pairs, found.needed) == (
        "trials",
        (6, 4),
        0,
        None,
    )


def test_compare_values__what_only_one_value_has_is_averaged_over() -> None:
    fixed = grid(
        lambda kind, weight, seed: 0.5 + 0.1 * weight + 0.01 * seed, kind=["fixed"], weight=[0, 1], seed=SEEDS
    )
    learned = grid(lambda kind, seed: 0.6 + 0.03 * seed, kind=["uncertainty"], seed=SEEDS)
    found, *rest = compare_values(fixed + learned, "weighting.kind")
    # 0.60 − 0.55, 0.63 − 0.56 and 0.66 − 0.57.
    assert found.difference.mean == pytest.approx(0.07)
    assert found.difference.deviation == pytest.approx(0.02)
    assert not rest


def test_compare_values__what_both_values_have_is_matched() -> None:
    """A weight that `fixed` and `pcgrad` both have is a setting as any other; 2 has no partner."""
    fixed = grid(lambda kind, weight, seed: 0.1 * weight, kind=["fixed"], weight=[1, 2], seed=SEEDS)
    other = grid(
        lambda kind, weight, seed: 0.1 * weight + 0.01 * seed, kind=["pcgrad"], weight=[1, 3], seed=SEEDS
    )
    (found,) = compare_values(fixed + other, "weighting.kind")
    assert found.difference.mean == pytest.approx(0.01)
    assert found.pairs == 3


def test_compare_values__stopped_and_failed_trials_take_no_part_in_the_full_comparison() -> None:
    def one(kind: str, seed: int, score: float, **options: object) -> Trial:
        return trial({"weighting.kind": kind, "seed": seed}, score, **options)

    trials = [one("fixed", seed, 0.5 + 0.01 * seed) for seed in range(4)]
    trials += [one("dwa", 0, 0.6), one("dwa", 1, 0.62), one("dwa", 2, 0.9, epochs=2)]
    trials += [one("dwa", 3, 0.9, error="broken", epochs=3)]
    (full,) = compare_values(trials, "weighting.kind")
    assert full.difference.counts == (2,)
    assert full.difference.mean == pytest.approx(0.105)
    assert common_epoch(trials) == 2
    (early,) = compare_values(trials, "weighting.kind", epoch=2)
    # By epoch 2 of 4 a trial is two steps of 0.01 below its end; the stopped one is at its own.
    assert early.difference.mean == pytest.approx(np.mean([0.58 - 0.48, 0.60 - 0.49, 0.9 - 0.50]))
    assert (early.epoch, early.difference.counts) == (2, (3,))


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


def test_compare_values__tuned_chooses_settings_by_the_other_seeds() -> None:
    table = {1: [0.50, 0.90, 0.60], 2: [0.70, 0.65, 0.80]}
    fixed = grid(lambda kind, weight, seed: table[weight][seed], kind=["fixed"], weight=[1, 2], seed=SEEDS)
    learned = grid(lambda kind, seed: 0.5 + 0.01 * seed, kind=["uncertainty"], seed=SEEDS)
    (found,) = compare_values(fixed + learned, "weighting.kind", "tuned")
    # Seed 0: 1 has 1.50, 2 has 1.45 in the others: 1. Seed 1: 1.10 and 1.50: 2. Seed 2: 1.40 and 1.35: 1.
    chosen = [0.50, 0.65, 0.60]
    expected = [0.5 + 0.01 * seed - score for seed, score in enumerate(chosen)]
    assert found.difference.mean == pytest.approx(np.mean(expected))
    assert found.difference.deviation == pytest.approx(np.std(expected, ddof=1))
    assert found.way == "tuned"


def test_compare_values__tuned_needs_seeds_and_a_choice() -> None:
    assert not compare_values(noisy(0, dwa=0.1)[::3], "weighting.kind", "tuned"), "one seed"
    one_setting = [t for t in noisy(0, dwa=0.1) if t.settings["optimizer.learning_rate"] == RATES[0]]
    assert not compare_values(one_setting, "weighting.kind", "tuned"), "nothing to choose"


def test_compare_values__of_no_difference_is_resolved_in_one_of_twenty() -> None:
    """Among three weightings without any difference a verdict is false in at most 5 % of searches."""
    false = [
        any(c.resolved for c in compare_values(noisy(n, dwa=0.0, rlw=0.0), "weighting.kind"))
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
        (found,) = compare_values(trials, "weighting.kind")
        assert found.difference.interval is not None
        low, high = found.difference.interval
        covered.append(low <= 0.02 <= high)
        limits = stats.ttest_1samp(differences(trials, "dwa").ravel(), 0.0).confidence_interval(0.95)
        naive.append(limits.low <= 0.02 <= limits.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 300))
    assert np.mean(naive) < 0.85


def test_compare_values__tuned_is_not_flattered_by_its_choice() -> None:
    """Of eight settings that do not matter against one: the best of eight looks better, this does not."""
    rng = np.random.default_rng(0)
    tuned, naive = [], []
    for _ in range(200):
        many = grid(
            lambda kind, weight, seed: float(rng.normal(0.7, 0.01)),
            kind=["fixed"],
            weight=list(range(8)),
            seed=SEEDS,
        )
        one = grid(lambda kind, seed: float(rng.normal(0.7, 0.01)), kind=["dwa"], seed=SEEDS)
        (found,) = compare_values(many + one, "weighting.kind", "tuned")
        tuned.append(found.difference.mean)
        scores = np.array([t.best_score for t in many]).reshape(8, 3).mean(axis=1)
        naive.append(np.mean([t.best_score for t in one]) - scores.max())
    error = 0.01 * np.sqrt(2 / 3 / 200)
    assert abs(np.mean(tuned)) < 4 * error
    assert np.mean(naive) < -10 * error


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
