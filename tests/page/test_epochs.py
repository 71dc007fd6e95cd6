"""Charts of metrics over epochs."""

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from faceml.page.chart import svg
from faceml.page.epochs import epochs_figure


def lines(figure: Figure) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in figure.axes[0].lines}


def points(line: Line2D) -> list[list[float]]:
    return [[float(x), float(y)] for x, y in np.column_stack([line.get_xdata(), line.get_ydata()])]


def test_epochs_figure__has_its_series_the_best_epoch_and_the_baseline() -> None:
    shares = [(0.2, 0.1), (0.6, 0.3), (0.4, 0.2)]
    records: list[dict[str, Any]] = [
        {"epoch": epoch, "val/accuracy": accuracy, "val/macro_f1": f1}
        for epoch, (accuracy, f1) in enumerate(shares, start=1)
    ]
    series = {"accuracy": "val/accuracy", "macro-F1": "val/macro_f1"}
    figure = epochs_figure(records, series, "share", percent=True, best_epoch=2, baseline=("majority", 0.3))
    drawn = lines(figure)
    assert points(drawn["accuracy"]) == [[1, 0.2], [2, 0.6], [3, 0.4]]
    assert points(drawn["macro-F1"]) == [[1, 0.1], [2, 0.3], [3, 0.2]]
    assert [x for x, _ in points(drawn["best epoch"])] == [2, 2]
    assert [y for _, y in points(drawn["majority"])] == [0.3, 0.3]
    assert drawn["accuracy"].get_marker() != drawn["macro-F1"].get_marker()
    assert {text.get_text() for text in figure.legends[0].get_texts()} == set(drawn)


def test_epochs_figure__a_metric_without_value_is_a_gap() -> None:
    records = [{"epoch": 1, "val/landmark_mse": None}, {"epoch": 2, "val/landmark_mse": None}]
    figure = epochs_figure(records, {"validation": "val/landmark_mse"}, "MSE", log=True)
    assert all(math.isnan(y) for _, y in points(lines(figure)["validation"]))
    assert svg(figure)


def test_epochs_figure__draws_more_series_than_there_are_colours() -> None:
    records = [{"epoch": 1} | {f"val/{n}": float(n) for n in range(14)}]
    drawn = lines(epochs_figure(records, {str(n): f"val/{n}" for n in range(14)}, "value"))
    assert set(drawn) == {str(n) for n in range(14)}
    assert len({(line.get_color(), line.get_linestyle()) for line in drawn.values()}) == 14
