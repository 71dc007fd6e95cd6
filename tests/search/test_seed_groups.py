"""Trials of equal settings, taken together."""

import math

import pytest

from faceml.reporting.search.tables import group_leaderboard
from faceml.search.seed_groups import group_seeds, has_repeats
from tests.reporting.searches import grid, trial

SCORES = {("fixed", 0): 0.70, ("fixed", 1): 0.72, ("fixed", 2): 0.77, ("dwa", 0): 0.75, ("dwa", 1): 0.74}


def test_group_seeds__trials_that_differ_only_in_their_seed_whatever_the_order_of_keys() -> None:
    trials = [trial({"weighting.kind": kind, "seed": seed}, score) for (kind, seed), score in SCORES.items()]
    trials.append(trial({"seed": 2, "weighting.kind": "dwa"}, 0.73))
    best, other = group_seeds(trials)
    assert best.settings == {"weighting.kind": "dwa"}
    assert best.mean == pytest.approx(0.74)
    assert other.mean == pytest.approx(0.73)
    deviation = math.sqrt((0.03**2 + 0.01**2 + 0.04**2) / 2)
    assert other.interval is not None
    assert other.interval[1] - other.mean == pytest.approx(4.3027 * deviation / math.sqrt(3), rel=1e-4)
    assert has_repeats(trials)
    assert not has_repeats(trials[:1])


def test_group_seeds__stopped_and_failed_trials_are_in_no_mean() -> None:
    trials = [
        trial({"x": "a", "seed": 0}, 0.6),
        trial({"x": "a", "seed": 1}, 0.9, epochs=2),
        trial({"x": "a", "seed": 2}, 0.8, error="broken"),
        trial({"x": "b", "seed": 0}, 0.7, epochs=3),
        trial({"x": "c", "seed": 0}, 0.8, epochs=3),
    ]
    groups = group_seeds(trials)
    assert [group.settings["x"] for group in groups] == ["a", "c", "b"], "finished ones come first"
    assert (groups[0].mean, groups[0].interval) == (pytest.approx(0.6), None)
    assert math.isnan(groups[1].mean)
    assert groups[0].best_so_far == pytest.approx(0.9)


def test_group_seeds__settings_with_a_failed_trial_are_not_the_best() -> None:
    trials = [
        trial({"x": "a", "seed": 0}, 0.8),
        trial({"x": "a", "seed": 1}, 0.8, error="A gradient is not finite"),
        *[trial({"x": "b", "seed": seed}, 0.79) for seed in (0, 1)],
        trial({"x": "c", "seed": 0}, 0.85, epochs=3),
    ]
    assert [group.settings["x"] for group in group_seeds(trials)] == ["b", "a", "c"]


def test_group_seeds__lower_is_better_where_it_is() -> None:
    trials = [trial({"x": value}, value, metric="val/landmark_mse") for value in (0.5, 0.25)]
    assert [group.mean for group in group_seeds(trials)] == [0.25, 0.5]


def test_group_leaderboard__one_seed_has_a_dash_for_an_interval() -> None:
    trials = grid(lambda kind, seed: SCORES[kind, seed], kind=["fixed", "dwa"], seed=[0, 1])
    table = group_leaderboard([*trials, trial({"weighting.kind": "rlw", "seed": 0}, 0.7)])
    assert list(table.header) == [
        "rank",
        "weighting",
        "accuracy",
        "± at 95\N{NO-BREAK SPACE}%",
        "seeds",
        "outcome",
    ]
    # With one degree of freedom t is 12.706: 12.706 · 0.5 points for dwa, twice that for fixed.
    assert [row[1:5] for row in table.rows] == [
        ["dwa", "74.5\N{NO-BREAK SPACE}%", "6.4", "2"],
        ["fixed", "71.0\N{NO-BREAK SPACE}%", "12.7", "2"],
        ["rlw", "70.0\N{NO-BREAK SPACE}%", "–", "1"],
    ]
    assert table.is_numeric(3)
