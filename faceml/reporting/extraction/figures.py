"""Charts of an extraction: detection rate by folder, and head pose."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from faceml.page import BLUE, INK, QUIET, VERMILLION, WIDTH_IN, chart, percent_axis, styled
from faceml.quality import ANGLES, BIN_DEG, MOST_DEG, TURNED_DEG, AngleSpread
from faceml.reporting.extraction.landmark_sheet import folder_name
from faceml.reporting.extraction.summary import ExtractionSummary
from faceml.statistics import wilson_interval

NARROWEST_DEG = 45


@styled
def pose_figure(pose: tuple[AngleSpread, ...]) -> Figure:
    """Plot histograms of yaw, pitch and roll, one above the other.

    Args:
        pose: Distributions of the angles, over at least one face.
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
        axes.tick_params(axis="x", pad=6)  # keeps labels clear of the panel's lowest tick
    panels[-1].set_xlim(-widest, widest)
    panels[-1].xaxis.set_major_locator(MultipleLocator(30))
    panels[-1].set_xlabel("degrees")
    return figure


@styled
def detection_rate_figure(summary: ExtractionSummary, warn_below: float, most: int = 24) -> Figure:
    """Plot the share of images with landmarks by folder, with 95 % Wilson intervals.

    Args:
        summary: Summary of the extraction.
        warn_below: Folders with a lower rate are coloured.
        most: Maximum number of folders; those with the lowest rates are shown, sorted by name.
    """
    folders = sorted(summary.lowest_folders(most))
    names = [folder_name(name) for name, _, _ in folders]
    images, found = (np.array([folder[part] for folder in folders]) for part in (1, 2))
    rates, positions = found / images, np.arange(len(folders))
    limits = np.array([wilson_interval(ok, total) for _, total, ok in folders])
    figure, axes = chart("images with landmarks", height_in=0.75 + 0.27 * len(folders))
    axes.barh(positions, rates, 0.7, color=[VERMILLION if rate < warn_below else BLUE for rate in rates])
    margins = np.abs(limits.T - rates)
    axes.errorbar(rates, positions, xerr=margins, fmt="none", ecolor=INK, elinewidth=1.1, capsize=2.5)
    axes.axvline(warn_below, color=INK, linestyle=":", linewidth=1.1)
    for position, (_, total, ok) in enumerate(folders):
        beside = axes.get_yaxis_transform()
        axes.text(1.03, position, f"{ok:,} of {total:,}", color=QUIET, va="center", transform=beside)
    axes.set_yticks(positions, names)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(len(folders) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    percent_axis(axes, "x")
    return figure
