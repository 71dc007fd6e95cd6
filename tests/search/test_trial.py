"""Trials, and their order."""

import json
import math
from typing import Any

import pytest

from faceml.reporting.search.tables import trial_leaderboard
from faceml.search.trial import Trial, ranked, setting_name
from tests.reporting.searches import SCORES, trial


def records(metric: str, values: list[float | None]) -> list[dict[str, Any]]:
    return [
        {"epoch": epoch, "val/accuracy": 0.5, metric: value} for epoch, value in enumerate(values, start=1)
    ]


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("val/accuracy", [0.5, 0.75, 0.6], 0.75),
        ("val/macro_f1", [0.5, math.nan, 0.25], 0.5),
        ("val/landmark_mse", [0.5, 0.25, 0.3], 0.25),
        ("val/nme_interocular", [None, 0.5, 0.75], 0.5),
    ],
)
def test_best_score__of_each_metric_in_its_direction(
    metric: str, values: list[float | None], best: float
) -> None:
    found = Trial("a", {}, records(metric, values), 3, score=SCORES[metric])
    assert found.best_score == best
    assert found.as_json()["best_score"] == best


def test_best_score__without_any_value_is_nan_and_null_in_json() -> None:
    for found in (
        Trial("a", {}, [], 3),
        Trial("a", {}, records("val/landmark_mse", [None]), 3, score=SCORES["val/landmark_mse"]),
    ):
        assert math.isnan(found.best_score)
    assert Trial("a", {}, [], 3).as_json()["best_score"] is None
    assert json.dumps(Trial("a", {}, [], 3).as_json(), allow_nan=False)


def test_best_score_until__counts_no_later_epoch() -> None:
    found = Trial("a", {}, records("val/accuracy", [0.5, 0.25, 0.75]), 3)
    assert [found.best_score_until(epoch) for epoch in (1, 2, 3)] == [0.5, 0.5, 0.75]
    assert (found.last_score, found.epochs) == (0.75, 3)


def test_outcome__finished_stopped_failed() -> None:
    finished, stopped, failed = (
        trial({"seed": 0}, 0.5),
        trial({"seed": 1}, 0.5, epochs=2),
        trial({"seed": 2}, 0.5, epochs=2, error="no memory"),
    )
    assert (finished.finished, finished.stopped_early, finished.outcome) == (True, False, "finished")
    assert (stopped.finished, stopped.stopped_early, stopped.outcome) == (
        False,
        True,
        "stopped after epoch 2",
    )
    assert (failed.finished, failed.stopped_early, failed.outcome) == (False, False, "failed: no memory")


@pytest.mark.parametrize(
    ("metric", "order"), [("val/accuracy", ["b", "a", "c"]), ("val/landmark_mse", ["a", "b", "c"])]
)
def test_ranked__best_first_then_those_without_score_failed_last(metric: str, order: list[str]) -> None:
    trials = [trial({"x": name}, value, metric=metric) for name, value in (("a", 0.25), ("b", 0.5))]
    failed = trial({"x": "c"}, 0.4, metric=metric, error="broken")
    nothing = Trial("nothing", {"x": "d"}, [], 3, score=SCORES[metric])
    found = [one.settings["x"] for one in ranked([failed, nothing, *trials])]
    assert found == [*order[:2], "d", "c"]


def test_trial_leaderboard__is_titled_by_the_metric() -> None:
    found = trial_leaderboard([trial({"weighting.kind": "fixed"}, 0.0446, metric="val/nme_interocular")])
    assert found.header == ["rank", "weighting", "landmark NME", "epochs", "outcome"]
    assert found.rows == [["1", "fixed", "4.46\N{NO-BREAK SPACE}%", "4/4", "finished"]]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("optimizer.learning_rate", "learning rate"),
        ("weighting.learning_rate", "weighting learning rate"),
        ("weighting.kind", "weighting"),
        ("loss.landmarks.kind", "loss landmarks"),
        ("optimizer.name", "optimizer"),
        ("seed", "seed"),
    ],
)
def test_setting_name__is_short_and_tells_two_learning_rates_apart(key: str, name: str) -> None:
    assert setting_name(key) == name
