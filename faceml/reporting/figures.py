"""What the charts of a report show: one function for each question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from faceml.metrics.intervals import wilson_interval
from faceml.reporting.chart import (
    BLUE,
    COLORS,
    FAINT,
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
from faceml.reporting.tuning import Trial, ranked, shown

LEARNING_RATE = "optimizer.learning_rate"


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


@styled
def learning_curves_figure(trials: Sequence[Trial]) -> Figure:
    """Show validation accuracy by epoch of every trial; those stopped early are faint and end in a cross."""
    figure, axes = chart("epoch", "validation accuracy")
    best, *others = ranked([trial for trial in trials if trial.records])
    for trial in [*reversed(others), best]:
        stopped = trial.stopped_early
        color, width, order = (FAINT, 1.1, 2) if stopped else (QUIET, 1.3, 3)
        if trial is best:
            color, width, order = BLUE, 2.4, 4
        axes.plot(
            [record["epoch"] for record in trial.records],
            [record["val/accuracy"] for record in trial.records],
            color=color,
            linewidth=width,
            marker="X" if stopped else "o",
            markersize=6 if stopped else 4,
            markevery=[-1] if len(trial.records) > 1 or stopped else None,
            label=trial.name,
            zorder=order,
        )
    count_axis(axes)
    percent_axis(axes)
    entries = [Line2D([], [], color=BLUE, linewidth=2.4, marker="o", label="best trial")]
    if any(not trial.stopped_early for trial in others):
        entries.append(Line2D([], [], color=QUIET, linewidth=1.3, marker="o", label="others"))
    if any(trial.stopped_early for trial in others):
        entries.append(Line2D([], [], color=FAINT, marker="X", markersize=6, label="stopped early"))
    legend_above(figure, axes, entries)
    return figure


@styled
def learning_rate_figure(trials: Sequence[Trial]) -> Figure:
    """Show each trial's best accuracy over its learning rate.

    Of the other settings searched the first two that have few values give colour and marker; trials that
    were stopped early are hollow.

    Args:
        trials: All with the setting `optimizer.learning_rate`; those without any epoch are left out.
    """
    figure, axes = chart("learning rate", "best validation accuracy")
    colors, markers = _looks(trials, COLORS, 0), _looks(trials, MARKERS, 1)
    for trial in trials:
        if trial.records:
            dot = _dot(trial.name, colors.of(trial, BLUE), markers.of(trial, "o"), hollow=trial.stopped_early)
            dot.set_data([trial.settings[LEARNING_RATE]], [trial.best_accuracy])
            axes.add_line(dot)
    axes.margins(0.08)
    axes.autoscale_view()
    log_axis(axes, "x")
    percent_axis(axes)
    entries = [_dot(value, color, "o") for value, color in colors.looks.items()]
    entries += [_dot(value, QUIET, marker) for value, marker in markers.looks.items()]
    if any(trial.stopped_early for trial in trials):
        entries.append(_dot("stopped early", QUIET, "o", hollow=True))
    if entries:
        legend_above(figure, axes, entries)
    return figure


def _dot(label: str, color: str, marker: str, *, hollow: bool = False) -> Line2D:
    """Return a marker without a place."""
    dot = Line2D([], [], color=color, marker=marker, linestyle="none", markersize=7, label=label)
    dot.set_markeredgewidth(1.6)
    dot.set_markerfacecolor("none" if hollow else color)
    return dot


@dataclass(frozen=True)
class _Looks:
    """How the values of a setting look; of no setting if `key` is None."""

    key: str | None
    looks: dict[str, str]

    def of(self, trial: Trial, default: str) -> str:
        return default if self.key is None else self.looks[shown(trial.settings.get(self.key))]


def _looks(trials: Sequence[Trial], choices: Sequence[str], number: int) -> _Looks:
    """Give looks to the values of the `number`-th setting that has several values, yet no more than looks."""
    values: dict[str, dict[str, None]] = {}
    for trial in trials:
        for key, value in trial.settings.items():
            values.setdefault(key, {})[shown(value)] = None
    keys = [key for key in values if key != LEARNING_RATE and 1 < len(values[key]) <= len(choices)]
    if number >= len(keys):
        return _Looks(None, {})
    return _Looks(keys[number], dict(zip(values[keys[number]], choices, strict=False)))


def _number(value: float | None) -> float:
    # A metric without a value, such as NME without any landmarks, is null in JSON.
    return float("nan") if value is None else value
