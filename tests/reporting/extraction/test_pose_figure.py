"""Histograms of head pose."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from faceml.page.chart import svg
from faceml.quality.findings import AngleSpread
from faceml.reporting.extraction.figures import pose_figure


def spread(name: str, counts: dict[int, int]) -> AngleSpread:
    return AngleSpread(name, (0.0,) * 5, 0.0, tuple(counts.get(low, 0) for low in range(-90, 90, 5)))


def test_pose_figure__bars_are_shares_of_the_faces() -> None:
    figure = pose_figure((spread("yaw", {-10: 1, 0: 3}), spread("pitch", {0: 4}), spread("roll", {70: 4})))
    heights = [
        {patch.get_x() + 0.0: patch.get_height() for patch in axes.patches if isinstance(patch, Rectangle)}
        for axes in figure.axes
    ]
    drawn = [{low: height for low, height in panel.items() if height} for panel in heights]
    assert drawn == [{-10: 0.25, 0: 0.75}, {0: 1.0}, {70: 1.0}]
    assert [axes.get_title(loc="left").partition(",")[0] for axes in figure.axes] == ["yaw", "pitch", "roll"]


@pytest.mark.parametrize(("low", "limit"), [(0, 45), (-60, 60), (85, 90)])
def test_pose_figure__axis_covers_all_faces(low: int, limit: float) -> None:
    figure = pose_figure((spread("yaw", {low: 1}),))
    assert np.allclose(figure.axes[0].get_xlim(), (-limit, limit))
    assert svg(figure) == svg(pose_figure((spread("yaw", {low: 1}),)))
