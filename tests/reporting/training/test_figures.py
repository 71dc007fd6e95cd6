"""Data and style of charts."""

import math

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from faceml.page.chart import BLUE, STYLE, VERMILLION, png, svg
from faceml.reporting.extraction.figures import detection_rate_figure
from faceml.reporting.extraction.summary import ExtractionSummary
from faceml.reporting.search.figures import learning_curves_figure
from faceml.search.trial import Trial

SUMMARY = ExtractionSummary({"ok": 105, "no_face": 15}, {}, {"1": (100, 90), "5": (20, 15)}, 120, 50.0, 3.0)


def lines(figure: Figure) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in figure.axes[0].lines}


def points(line: Line2D) -> list[list[float]]:
    return [[float(x), float(y)] for x, y in np.column_stack([line.get_xdata(), line.get_ydata()])]


def test_detection_rate_figure__bars_are_rates_and_whiskers_wilson_intervals() -> None:
    axes = detection_rate_figure(SUMMARY, warn_below=0.8).axes[0]
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [bar.get_width() for bar in bars] == [0.9, 0.75]
    assert [to_hex(bar.get_facecolor()) for bar in bars] == [BLUE, VERMILLION]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["happy", "disgust"]
    assert "15 of 20" in [text.get_text() for text in axes.texts]
    whiskers = next(item for item in axes.collections if isinstance(item, LineCollection)).get_segments()
    for whisker, (ok, total) in zip(whiskers, [(90, 100), (15, 20)], strict=True):
        for limit in np.asarray(whisker)[:, 0]:
            # The score test rejects at 1.96 standard errors of the limit itself (Wilson 1927).
            assert abs(ok / total - limit) == pytest.approx(
                1.96 * math.sqrt(limit * (1 - limit) / total), rel=1e-3
            )


def test_detection_rate_figure__shows_only_the_lowest_folders() -> None:
    axes = detection_rate_figure(SUMMARY, warn_below=0.8, most=1).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["disgust"]


def test_svg__same_bytes_again_and_settings_left_alone(trials: list[Trial]) -> None:
    before = {name: mpl.rcParams[name] for name in STYLE}
    assert svg(learning_curves_figure(trials)) == svg(learning_curves_figure(trials))
    assert before == {name: mpl.rcParams[name] for name in STYLE}
    assert before != STYLE
    assert png(learning_curves_figure(trials)).startswith(b"\x89PNG")
