"""Charts of metrics over the epochs of a training."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from faceml.page.chart import (
    COLORS,
    INK,
    MARKERS,
    QUIET,
    chart,
    chart_picture,
    count_axis,
    legend_above,
    log_axis,
    percent_axis,
    styled,
)
from faceml.page.html import Picture
from faceml.page.tables import significant

LINES = ("-", "--", ":")
"""Lines of the first six series, of the next six, and of the others."""


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
    """Plot metrics over the epochs of a training.

    Args:
        records: Records of the epochs.
        series: Names of the metrics by their legend labels.
        y_label: Label of the y axis, with its unit.
        log: Use a logarithmic y axis.
        percent: Label shares in percent.
        best_epoch: Epoch marked by a vertical line.
        baseline: Label and value of a horizontal line.
    """
    figure, axes = chart("epoch", y_label)
    epochs = [record["epoch"] for record in records]
    for number, (label, name) in enumerate(series.items()):
        values = [_number(record[name]) for record in records]
        line, style = divmod(number, len(COLORS))
        axes.plot(
            epochs,
            values,
            color=COLORS[style],
            marker=MARKERS[style],
            linestyle=LINES[min(line, len(LINES) - 1)],
            label=label,
        )
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


def epochs_picture(
    records: Sequence[Mapping[str, Any]],
    title: str,
    series: Mapping[str, str],
    y_label: str,
    alt: str,
    caption: str = "",
    **options: Any,
) -> Picture:
    """Return a chart of metrics over the epochs as a picture; `options` are those of `epochs_figure`."""
    figure = epochs_figure(records, series, y_label, **options)
    return chart_picture(title, figure, f"{title} by epoch. {alt}", caption)


def change(records: Sequence[Mapping[str, Any]], name: str) -> str:
    """Return the first and the last value of a metric, as `0.4 to 0.1`."""
    return f"{significant(records[0][name])} to {significant(records[-1][name])}"


def _number(value: float | None) -> float:
    # Undefined metrics, such as NME without any landmarks, are null in JSON.
    return float("nan") if value is None else value
