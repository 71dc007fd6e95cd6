"""Importance of settings, of scores made so that it is known."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from faceml.search.importance import (
    can_measure_importance,
    chance_share,
    is_enough,
    measure_importance,
)
from tests.reporting.searches import grid, trial

SEEDS = list(range(8))


def test_measure_importance__of_effects_that_add_up_is_their_share_of_the_variance() -> None:
    trials = grid(
        lambda backbone, kind, seed: 0.5 + 0.04 * (backbone == "b") + 0.02 * (kind == "dwa"),
        backbone=["a", "b"],
        kind=["fixed", "dwa"],
        seed=SEEDS,
    )
    found = {importance.key: importance.share for importance in measure_importance(trials)}
    # Variances of two-valued effects are as the squares of their sizes: 16 to 4.
    assert found == {
        "model.backbone": pytest.approx(0.8, abs=0.06),
        "weighting.kind": pytest.approx(0.2, abs=0.06),
    }
    assert list(found) == ["model.backbone", "weighting.kind"]


def test_measure_importance__of_an_interaction_no_setting_has_a_share_alone() -> None:
    trials = grid(
        lambda backbone, kind, seed: 0.6 if (backbone == "b") == (kind == "dwa") else 0.5,
        backbone=["a", "b"],
        kind=["fixed", "dwa"],
        seed=SEEDS,
    )
    assert all(importance.share < 0.1 for importance in measure_importance(trials))


def test_measure_importance__every_value_tried_counts_alike() -> None:
    """By its size the last step would be two thirds of the range of learning rates."""
    trials = grid(
        lambda rate, kind, seed: 0.5 + 0.1 * (rate > 5e-4) + 0.1 * (kind == "dwa"),
        rate=[1e-4, 3e-4, 1e-3, 3e-3],
        kind=["fixed", "dwa", "rlw", "famo"],
        seed=SEEDS[:4],
    )
    found = {importance.key: importance.share for importance in measure_importance(trials)}
    # Half of the rates and a quarter of the kinds: variances of 1/4 and 3/16.
    assert found["optimizer.learning_rate"] == pytest.approx(4 / 7, abs=0.04)
    assert found["weighting.kind"] == pytest.approx(3 / 7, abs=0.04)


def test_measure_importance__a_setting_that_some_trials_have_is_measured_among_them() -> None:
    fixed = grid(
        lambda kind, weight, rate, seed: 0.5 + 0.1 * (weight == 10),
        kind=["fixed"],
        weight=[0.1, 10],
        rate=[1e-3, 2e-3],
        seed=SEEDS,
    )
    learned = grid(
        lambda kind, rate, seed: 0.5 + 20 * rate, kind=["uncertainty"], rate=[1e-3, 2e-3], seed=SEEDS
    )
    found = {importance.key: importance for importance in measure_importance(fixed + learned)}
    assert found.keys() == {"weighting.kind", "weighting.lambda_landmarks", "optimizer.learning_rate"}
    weight = found["weighting.lambda_landmarks"]
    assert weight.within == "among 32 trials"
    assert weight.share == pytest.approx(1.0, abs=0.01)


def test_measure_importance__is_the_same_again_and_says_nothing_of_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    rng = np.random.default_rng(0)
    trials = grid(
        lambda rate, kind, seed: float(rng.uniform()), rate=[1e-4, 1e-3], kind=["fixed", "dwa"], seed=SEEDS
    )
    assert measure_importance(trials) == measure_importance(trials)
    assert capfd.readouterr() == ("", "")


def test_measure_importance__nothing_to_tell() -> None:
    assert not measure_importance([])
    assert not measure_importance(grid(lambda kind: len(kind) / 10, kind=["fixed", "dwa", "rlw"])), "too few"
    assert not measure_importance(grid(lambda kind, seed: 0.5, kind=["fixed", "dwa"], seed=SEEDS)), (
        "no variance"
    )
    assert not measure_importance(grid(lambda kind, seed: seed / 10, kind=["fixed"], seed=SEEDS)), "one value"
    stopped = [trial({"x": n}, n / 10, epochs=2) for n in range(8)]
    assert not measure_importance(stopped)


def test_can_measure_importance__without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_measure_importance()
    monkeypatch.setitem(
        sys.modules, "optuna", None
    )  # what Python itself takes for a package that is not there
    assert not can_measure_importance()


def test_chance_share__is_that_of_the_variance_components() -> None:
    rng = np.random.default_rng(0)
    scores = {
        kind: rng.normal(centre, 0.01, 4) for kind, centre in (("fixed", 0.5), ("dwa", 0.52), ("rlw", 0.51))
    }
    trials = grid(lambda kind, seed: float(scores[kind][seed]), kind=list(scores), seed=list(range(4)))
    found = chance_share(trials)
    # F estimates 1 + 4·b/w, of four seeds each.
    ratio = stats.f_oneway(*scores.values()).statistic
    assert found is not None
    assert found.value == pytest.approx(1 / (1 + (ratio - 1) / 4))
    assert found.low < found.value < found.high
    trials[0] = replace(trials[0], records=trials[0].records[:1])
    assert chance_share(trials) is None, "trials that a scheduler did not stop are a selection"


def test_chance_share__needs_repeats_and_variance() -> None:
    assert chance_share(grid(lambda kind: len(kind) / 10, kind=["fixed", "dwa"])) is None
    assert chance_share(grid(lambda kind, seed: 0.5, kind=["fixed", "dwa"], seed=[0, 1])) is None
    assert chance_share([]) is None


def test_is_enough__ten_trials_for_each_setting() -> None:
    trials = grid(lambda kind, seed: seed / 10 + len(kind) / 100, kind=["fixed", "dwa"], seed=list(range(5)))
    found = measure_importance(trials)
    assert len(found) == 1
    assert is_enough(trials, found)
    assert not is_enough(trials[:-1], found)
