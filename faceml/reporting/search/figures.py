"""What the charts of a search show: one function for each question."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from faceml.page import (
    BLUE,
    FAINT,
    INK,
    QUIET,
    chart,
    count_axis,
    legend_above,
    log_axis,
    percent_axis,
    styled,
)
from faceml.reporting.search.colors import LEARNING_RATE, color_looks, dot, marker_looks
from faceml.search import Comparison, Importance, Score, Trial, group_seeds, has_repeats, ranked

LOG_VARIANCE = "train/log_var_"


@styled
def learning_curves_figure(trials: Sequence[Trial]) -> Figure:
    """Show the score by epoch of every trial; those that did not finish are faint and end in a cross.

    All seeds of the best configuration stand out.
    """
    score = trials[0].score
    figure, axes = chart("epoch", f"validation {score.label}")
    with_records = [trial for trial in trials if trial.records]
    first = ranked(with_records)[0]
    best = group_seeds(with_records)[0].trials if has_repeats(trials) else [first]
    for trial in [*reversed(ranked([trial for trial in with_records if trial not in best])), *best]:
        color, width, order = (QUIET, 1.3, 3) if trial.finished else (FAINT, 1.1, 2)
        if trial in best:
            color, width, order = BLUE, 2.4 if len(best) == 1 else 1.8, 4
        _curve(axes, trial, trial.metric, color, width).set_zorder(order)
    count_axis(axes)
    _score_axis(axes, score)
    label = "best trial" if len(best) == 1 else f"best configuration, {len(best)} seeds"
    entries = [Line2D([], [], color=BLUE, linewidth=2.4, marker="o", label=label)]
    others = [trial for trial in with_records if trial not in best]
    if any(trial.finished for trial in others):
        entries.append(Line2D([], [], color=QUIET, linewidth=1.3, marker="o", label="others"))
    if label := _unfinished(others):
        entries.append(Line2D([], [], color=FAINT, marker="X", markersize=6, label=label))
    legend_above(figure, axes, entries)
    return figure


@styled
def learning_rate_figure(trials: Sequence[Trial]) -> Figure:
    """Show each trial's best score over its learning rate.

    Colour is the loss weighting, or the first other setting that has few values; the next one gives the
    marker. Trials that did not finish are hollow. Of repeated ones, seeds are small and their mean is
    large.

    Args:
        trials: All with the setting `optimizer.learning_rate`; those without any epoch are left out.
    """
    score = trials[0].score
    figure, axes = chart("learning rate", f"best validation {score.label}")
    colors, markers = color_looks(trials), marker_looks(trials)
    for group in group_seeds(trials):
        color, marker = colors.of(group.settings, BLUE), markers.of(group.settings, "o")
        repeated = len(group.scores) > 1
        places = [(t.name, t.best_score, not t.finished, 3.5 if repeated else 7.0) for t in group.trials]
        if repeated:
            places.append(("mean", group.mean, False, 8.0))
        for name, value, hollow, size in places:
            if not math.isnan(value):
                line = dot(name, color, marker, hollow=hollow, size=size)
                line.set_data([group.settings[LEARNING_RATE]], [value])
                axes.add_line(line)
    axes.margins(0.08)
    axes.autoscale_view()
    log_axis(axes, "x")
    _score_axis(axes, score)
    entries = [dot(value, color, "o") for value, color in colors.looks.items()]
    entries += [dot(value, QUIET, marker) for value, marker in markers.looks.items()]
    if label := _unfinished([trial for trial in trials if trial.records]):
        entries.append(dot(label, QUIET, "o", hollow=True))
    if entries:
        legend_above(figure, axes, entries)
    return figure


@styled
def log_variances_figure(trials: Sequence[Trial], task: str) -> Figure:
    """Show by epoch how the learned log-variance of a task moved in every trial that learns it.

    Args:
        trials: Any; those without it are left out.
        task: `expression` or `landmarks`.
    """
    figure, axes = chart("epoch", f"log σ² of {task}")
    colors = color_looks(trials)
    learning = learned(trials, task)
    for trial in learning:
        line = _curve(axes, trial, LOG_VARIANCE + task, colors.of(trial.settings, BLUE), 1.3)
        line.set_alpha(1.0 if trial.finished else 0.4)
    count_axis(axes)
    kinds = {colors.of(trial.settings, BLUE) for trial in learning}
    entries = [
        Line2D([], [], color=color, marker="o", label=value)
        for value, color in colors.looks.items()
        if color in kinds
    ]
    if label := _unfinished(learning):
        entries.append(Line2D([], [], color=QUIET, alpha=0.4, marker="X", markersize=6, label=label))
    if entries:
        legend_above(figure, axes, entries)
    return figure


@styled
def differences_figure(comparisons: Sequence[Comparison]) -> Figure:
    """Show differences with their 95 % intervals; those that chance does not explain are filled."""
    score = comparisons[0].score
    label = f"difference in {score.label}" + (f",{score.unit}" if score.unit else "")
    figure, axes = chart(label, height_in=0.8 + 0.42 * len(comparisons))
    scale = 100 if score.is_share else 1
    for row, comparison in enumerate(comparisons):
        mean, interval = comparison.difference.mean, comparison.difference.interval
        color = BLUE if comparison.resolved else QUIET
        if interval:
            axes.plot(
                [scale * limit for limit in interval], [row, row], color=color, marker="|", markersize=8
            )
        line = dot(
            f"{comparison.value} {comparison.way}",
            color,
            "o" if comparison.way == "matched" else "D",
            hollow=not comparison.resolved,
        )
        line.set_data([scale * mean], [row])
        axes.add_line(line)
    axes.axvline(0, color=INK, linestyle=":", linewidth=1.1)
    axes.autoscale_view()
    tuned = {"matched": "", "tuned": ", tuned"}
    names = [f"{c.value}\n− {c.baseline}{tuned[c.way]}" for c in comparisons]
    axes.set_yticks(range(len(comparisons)), names, fontsize=8)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(len(comparisons) - 0.4, -0.6)
    return figure


@styled
def importance_figure(importances: Sequence[Importance]) -> Figure:
    """Show the share of each setting in what the settings explain."""
    figure, axes = chart("share of what the settings explain", height_in=0.75 + 0.3 * len(importances))
    shares = np.array([importance.share for importance in importances])
    axes.barh(range(len(shares)), shares, 0.7, color=BLUE)
    axes.set_yticks(range(len(shares)), [importance.label for importance in importances], fontsize=9)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(len(shares) - 0.4, -0.6)
    axes.set_xlim(0, max(0.05, 1.1 * float(shares.max())))
    percent_axis(axes, "x")
    return figure


def learned(trials: Sequence[Trial], task: str) -> list[Trial]:
    """Return the trials that learn the log-variance of a task."""
    return [trial for trial in trials if trial.records and _has_value(trial, LOG_VARIANCE + task)]


def _unfinished(trials: Sequence[Trial]) -> str:
    """Return what became of those that did not finish; nothing if all did."""
    words = {"stopped early": any(trial.stopped_early for trial in trials)}
    words["failed"] = any(trial.error is not None for trial in trials)
    return " or ".join(word for word, found in words.items() if found)


def _has_value(trial: Trial, name: str) -> bool:
    value = trial.records[0].get(name)
    # The columns of a table hold NaN where a metric of other trials is missing.
    return value is not None and not math.isnan(value)


def _curve(axes: Axes, trial: Trial, name: str, color: str, width: float) -> Line2D:
    """Draw a metric of a trial by epoch, with a mark where it ends."""
    values = [math.nan if (value := record.get(name)) is None else value for record in trial.records]
    stopped = not trial.finished
    (line,) = axes.plot(
        [record["epoch"] for record in trial.records],
        values,
        color=color,
        linewidth=width,
        marker="X" if stopped else "o",
        markersize=6 if stopped else 4,
        markevery=[-1] if len(trial.records) > 1 or stopped else None,
        label=trial.name,
    )
    return line


def _score_axis(axes: Axes, score: Score) -> None:
    if score.is_share:
        percent_axis(axes)
