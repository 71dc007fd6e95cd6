"""How sure a network is against how often it is right, as a chart."""

import numpy as np
from matplotlib.figure import Figure

from faceml.metrics import Calibration
from faceml.page import BLUE, INK, QUIET, chart, percent_axis, styled
from faceml.statistics import wilson_interval


@styled
def reliability_figure(calibration: Calibration) -> Figure:
    """Show accuracy by confidence with 95 % intervals, and how many images are so sure.

    Args:
        calibration: Of at least one image.
    """
    figure, axes = chart("confidence", "right", height_in=3.4)
    edges = np.linspace(0, 1, len(calibration.counts) + 1)
    taken = calibration.counts > 0
    shares, places = calibration.accuracy[taken], calibration.confidence[taken]
    counts = zip(calibration.right[taken], calibration.counts[taken], strict=True)
    limits = np.array([wilson_interval(int(right), int(all_of_them)) for right, all_of_them in counts])
    axes.bar(
        edges[:-1], calibration.counts / calibration.counts.sum(), np.diff(edges) * 0.9, align="edge",
        color=QUIET, alpha=0.35, label="images",
    )  # fmt: skip
    axes.plot([0, 1], [0, 1], ":", color=INK, linewidth=1.1, label="as sure as right")
    axes.errorbar(
        places, shares, np.abs(limits.T - shares), fmt="o", color=BLUE, elinewidth=1.1, capsize=2.5,
        label="right, 95 % interval",
    )  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    percent_axis(axes, "x")
    percent_axis(axes)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return figure
