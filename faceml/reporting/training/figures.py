"""Charts of a training: metrics over its epochs."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from faceml.page import (
    COLORS,
    INK,
    MARKERS,
    QUIET,
    chart,
    count_axis,
    legend_above,
    log_axis,
    percent_axis,
    styled,
)


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
