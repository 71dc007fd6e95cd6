"""Which way the faces of a landmark table look, as a chart."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from faceml.reporting.chart import BLUE, INK, QUIET, WIDTH_IN, percent_axis, styled
from faceml.reporting.quality import ANGLES, BIN_DEG, MOST_DEG, TURNED_DEG, AngleSpread

NARROWEST_DEG = 45


@styled
def pose_figure(pose: tuple[AngleSpread, ...]) -> Figure:
    """Show histograms of yaw, pitch and roll, one above the other.

    Args:
        pose: Of an extraction, with faces in it.
    """
    figure = Figure(figsize=(WIDTH_IN, 0.6 + 1.05 * len(pose)), layout="constrained")
    edges = np.arange(-MOST_DEG, MOST_DEG + 1, BIN_DEG)
    shares = [np.array(angle.counts) / sum(angle.counts) for angle in pose]
    reached = np.abs(edges[:-1] + BIN_DEG / 2)[np.any(shares, axis=0)].max() + BIN_DEG / 2
    widest = max(NARROWEST_DEG, reached)
    panels = figure.subplots(len(pose), sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, angle, share in zip(panels, pose, shares, strict=True):
        axes.bar(edges[:-1], share, BIN_DEG * 0.9, align="edge", color=BLUE)
        for limit in (-TURNED_DEG, TURNED_DEG):
            axes.axvline(limit, color=INK, linestyle=":", linewidth=1.1)
        axes.set_title(f"{angle.name}, {ANGLES[angle.name]}", loc="left", fontsize=10, color=QUIET)
        axes.grid(visible=False, axis="x")
        percent_axis(axes)
        axes.tick_params(axis="x", pad=6)  # clear of the lowest share
    panels[-1].set_xlim(-widest, widest)
    panels[-1].xaxis.set_major_locator(MultipleLocator(30))
    panels[-1].set_xlabel("degrees")
    return figure
