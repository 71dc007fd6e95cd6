"""Charts of a search hold the figures they were given."""

import math
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from faceml.page.chart import BLUE, COLORS, FAINT, QUIET, svg
from faceml.reporting.search.figures import (
    differences_figure,
    importance_figure,
    learned,
    learning_curves_figure,
    learning_rate_figure,
    log_variances_figure,
)
from faceml.search.comparison import compare_values
from faceml.search.importance import Importance
from faceml.search.trial import Trial
from tests.reporting.searches import grid, trial


def lines(figure: Figure) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in figure.axes[0].lines}


def points(line: Line2D) -> list[list[float]]:
    return [[float(x), float(y)] for x, y in np.column_stack([line.get_xdata(), line.get_ydata()])]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_learning_curves_figure__best_stands_out_and_stopped_ones_stand_back(trials: list[Trial]) -> None:
    drawn = lines(learning_curves_figure(trials))
    assert set(drawn) == {"trial_0", "trial_1", "trial_2"}
    assert points(drawn["trial_1"]) == [[1, 0.25], [2, 0.5], [3, 0.75]]
    assert drawn["trial_1"].get_color() == BLUE
    assert drawn["trial_1"].get_zorder() > drawn["trial_2"].get_zorder() > drawn["trial_0"].get_zorder()
    assert (drawn["trial_0"].get_color(), drawn["trial_0"].get_marker()) == (FAINT, "X")


def test_learning_rate_figure__places_colours_and_hollow_marks(trials: list[Trial]) -> None:
    figure = learning_rate_figure(trials)
    drawn = lines(figure)
    assert points(drawn["trial_1"]) == [[2e-3, 0.75]]
    assert set(drawn) == {"trial_0", "trial_1", "trial_2"}
    assert drawn["trial_0"].get_color() == drawn["trial_2"].get_color() != drawn["trial_1"].get_color()
    assert [drawn[name].get_markerfacecolor() == "none" for name in sorted(drawn)] == [True, False, False]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["fixed", "uncertainty", "stopped early"]
    low, high = figure.axes[0].get_xlim()
    assert low < 1e-4
    assert high > 2e-3


def test_learning_curves_figure__all_seeds_of_the_best_configuration_stand_out() -> None:
    scores = {("fixed", 0): 0.9, ("fixed", 1): 0.5, ("dwa", 0): 0.8, ("dwa", 1): 0.75}
    trials = grid(lambda kind, seed: scores[kind, seed], kind=["fixed", "dwa"], seed=[0, 1])
    figure = learning_curves_figure(trials)
    colors = [line.get_color() for _, line in sorted(lines(figure).items())]
    assert colors == [QUIET, QUIET, BLUE, BLUE], "the best mean, not the best trial"
    assert legend(figure) == ["best configuration, 2 seeds", "others"]


def test_learning_curves_figure__failed_ones_stand_back_and_are_named() -> None:
    trials = [trial({"x": 1}, 0.5), trial({"x": 2}, 0.6, epochs=2, error="broken")]
    figure = learning_curves_figure(trials)
    assert lines(figure)["2"].get_color() == FAINT
    assert legend(figure) == ["best trial", "failed"]


def test_learning_rate_figure__seeds_are_small_and_their_mean_is_large() -> None:
    trials = grid(lambda rate, kind, seed: 0.6 + 0.1 * seed, rate=[1e-3], kind=["fixed", "dwa"], seed=[0, 1])
    drawn = learning_rate_figure(trials).axes[0].lines
    means = [line for line in drawn if line.get_label() == "mean"]
    assert [points(line) for line in means] == [[[1e-3, pytest.approx(0.65)]]] * 2
    sizes = {line.get_markersize() for line in drawn if line.get_label() != "mean"}
    assert len(drawn) == 6
    assert max(sizes) < means[0].get_markersize()


def test_learning_rate_figure__colour_is_the_weighting_whatever_comes_first() -> None:
    trials = grid(
        lambda rate, backbone, kind, seed: 0.5,
        rate=[1e-3],
        backbone=["a", "b"],
        kind=["dwa", "fixed"],
        seed=[0],
    )
    figure = learning_rate_figure(trials)
    assert legend(figure) == ["fixed", "dwa", "a", "b"]
    drawn = lines(figure)
    kinds = {t.name: t.settings["weighting.kind"] for t in trials}
    assert {kinds[name]: line.get_color() for name, line in drawn.items()} == {
        "fixed": COLORS[0],
        "dwa": COLORS[1],
    }


def test_log_variances_figure__of_those_that_learn_them() -> None:
    def one(kind: str, log_vars: list[float | None], max_epochs: int = 2) -> Trial:
        records: list[dict[str, Any]] = [
            {"epoch": n, "val/accuracy": 0.5, "train/log_var_landmarks": v}
            for n, v in enumerate(log_vars, start=1)
        ]
        return Trial(kind, {"weighting.kind": kind}, records, max_epochs)

    trials = [
        one("uncertainty", [-0.5, -1.0]),
        one("uncertainty_kendall", [-0.25], 2),
        # A table of all trials has NaN where a trial has no such metric.
        one("fixed", [math.nan, math.nan]),
        one("dwa", [None, None]),
    ]
    assert [t.name for t in learned(trials, "landmarks")] == ["uncertainty", "uncertainty_kendall"]
    assert not learned(trials, "expression")
    figure = log_variances_figure(trials, "landmarks")
    drawn = lines(figure)
    assert points(drawn["uncertainty"]) == [[1, -0.5], [2, -1.0]]
    assert drawn["uncertainty_kendall"].get_alpha() == 0.4
    assert legend(figure) == ["uncertainty", "uncertainty_kendall", "stopped early"]
    assert "landmarks" in figure.axes[0].get_ylabel()


def test_differences_figure__points_and_limits_in_points() -> None:
    gains = {"fixed": [0.0, 0.0, 0.0], "dwa": [0.1, 0.11, 0.12], "rlw": [-0.1, 0.0, 0.12]}
    trials = grid(lambda kind, seed: 0.5 + gains[kind][seed], kind=list(gains), seed=[0, 1, 2])
    comparisons = compare_values(trials, "weighting.kind")
    figure = differences_figure(comparisons)
    drawn = lines(figure)
    first = comparisons[0].difference
    assert points(drawn["dwa tuned"]) == [[pytest.approx(11.0), 0]]
    assert first.interval is not None
    (whisker,) = [line for line in figure.axes[0].lines if points(line)[0] == [100 * first.interval[0], 0]]
    assert points(whisker)[1] == [100 * first.interval[1], 0]
    filled = [comparison.resolved for comparison in comparisons]
    assert filled == [True, False, False]
    assert [drawn[f"{name} tuned"].get_markerfacecolor() != "none" for name in ("dwa", "rlw")] == [
        True,
        False,
    ]
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["dwa\n− fixed", "rlw\n− fixed", "rlw\n− dwa"]


def test_differences_figure__a_single_pair_has_no_whisker() -> None:
    trials = grid(lambda kind: 0.6 if kind == "dwa" else 0.5, kind=["fixed", "dwa"])
    assert svg(differences_figure(compare_values(trials, "weighting.kind")))


def test_importance_figure__a_bar_for_each_setting() -> None:
    found = [
        Importance("weighting.kind", 0.75),
        Importance("weighting.lambda_landmarks", 0.5, "among 6 trials"),
    ]
    axes = importance_figure(found).axes[0]
    assert [float(patch.get_width()) for patch in axes.patches] == [0.75, 0.5]  # type: ignore[attr-defined]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "weighting",
        "lambda landmarks,\namong 6 trials",
    ]
