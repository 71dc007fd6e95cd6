"""What the charts of a report show: one function for each question."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from faceml.metrics.intervals import wilson_interval
from faceml.reporting.chart import (
    BLUE,
    COLORS,
    INK,
    MARKERS,
    QUIET,
    VERMILLION,
    chart,
    count_axis,
    legend_above,
    log_axis,
    percent_axis,
    styled,
)
from faceml.reporting.extraction import ExtractionSummary
from faceml.reporting.landmark_sheet import folder_name


@styled
def detection_rate_figure(summary: ExtractionSummary, warn_below: float, most: int = 24) -> Figure:
    """Show the share of images with landmarks by folder, with 95 % intervals.

    Args:
        summary: Of an extraction.
        warn_below: Folders with a lower rate stand out.
        most: Folders shown, those with the lowest rates; in the order of their names.
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


@styled
def epochs_figure(
    records: Sequence[Mapping[str, Any]],
    series: Mapping[str, str],
    y_label: str,
    *,
    log: bool = False,
    percent: bool = False,
    best_epoch: int | None = None,
    baseline: tuple[str, float] | None = None,
) -> Figure:
    """Show metrics over the epochs of a training.

    Args:
        records: Of a run folder.
        series: The legend's text for each, and the name of the metric.
        y_label: What they have in common, with its unit.
        log: Scale the y axis as a logarithm.
        percent: Show shares as percent.
        best_epoch: Marked by a line.
        baseline: A name and a value to compare with.
    """
    figure, axes = chart("epoch", y_label)
    epochs = [record["epoch"] for record in records]
    for (label, name), color, marker in zip(series.items(), COLORS, MARKERS, strict=False):
        values = [_number(record[name]) for record in records]
        axes.plot(epochs, values, color=color, marker=marker, label=label)
    if best_epoch is not None:
        axes.axvline(best_epoch, color=INK, linestyle=":", linewidth=1.1, label="best epoch", zorder=1)
    if baseline is not None:
        axes.axhline(baseline[1], color=QUIET, linestyle="--", linewidth=1.1, label=baseline[0], zorder=1)
    count_axis(axes)
    if log:
        log_axis(axes)
    if percent:
        percent_axis(axes)
    legend_above(figure, axes)
    return figure


def _number(value: float | None) -> float:
    # A metric without a value, such as NME without any landmarks, is null in JSON.
    return float("nan") if value is None else value
