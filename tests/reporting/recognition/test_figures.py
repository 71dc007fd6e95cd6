"""Charts of scored pairs."""

import numpy as np

from faceml.metrics.verification import ScoredPairs
from faceml.reporting.recognition.figures import roc_figure


def test_roc_figure__has_a_curve_for_each_model_and_rates_in_percent() -> None:
    rng = np.random.default_rng(0)
    same = np.arange(2000) % 2 == 0
    people = np.arange(2000).repeat(2).reshape(-1, 2)
    models = {
        name: ScoredPairs(rng.normal(size=2000) + distance * same, same, np.arange(2000) % 10, people)
        for name, distance in (("one", 1.0), ("other", 2.0))
    }
    figure = roc_figure(models)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert axes.get_legend_handles_labels()[1] == ["one", "other"]
    low, high = axes.get_xlim()
    shown = {
        label.get_text()
        for place, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        if low <= place <= high
    }
    assert shown == {"0.1 %", "1 %", "10 %", "100 %"}
    (better,) = (line for line in axes.get_lines() if line.get_label() == "other")
    assert np.interp(0.1, better.get_xdata(), better.get_ydata()) > 0.7
