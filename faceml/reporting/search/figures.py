"""Charts of a search: learning curves, settings against scores, differences and importances."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from faceml.metrics import Score
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
from faceml.reporting.search.colors import LEARNING_RATE, color_styles, dot, marker_styles
from faceml.search import Comparison, Importance, Trial, group_seeds, has_repeats, ranked

LOG_VARIANCE = "train/log_var_"


@styled
def learning_curves_figure(trials: Sequence[Trial]) -> Figure:
    """Draw the score of every trial by epoch; trials that did not finish are faint and end in a cross.

    All seeds of the best configuration are emphasised.
    """
    score = trials[0].score
    figure, axes = chart("epoch", f"validation {score.label}")
    with_records = [trial for trial in trials if trial.records]
    best = group_seeds(with_records)[0].trials if has_repeats(trials) else ranked(with_records)[:1]
    others = [trial for trial in with_records if trial not in best]
    for trial in [*reversed(ranked(others)), *best]:
        color, width, order = (QUIET, 1.3, 3) if trial.finished else (FAINT, 1.1, 2)
        if trial in best:
            color, width, order = BLUE, 2.4 if len(best) == 1 else 1.8, 4
        _curve(axes, trial, trial.metric, color, width).set_zorder(order)
    count_axis(axes)
    _score_axis(axes, score)
    label = "best trial" if len(best) == 1 else f"best configuration, {len(best)} seeds"
    entries = [Line2D([], [], color=BLUE, linewidth=2.4, marker="o", label=label)]
    if any(trial.finished for trial in others):
        entries.append(Line2D([], [], color=QUIET, linewidth=1.3, marker="o", label="others"))
    if label := _unfinished(others):
        entries.append(Line2D([], [], color=FAINT, marker="X", markersize=6, label=label))
    legend_above(figure, axes, entries)
    return figure


@styled
def learning_rate_figure(trials: Sequence[Trial]) -> Figure:
    """Draw each trial's best score over its learning rate.

    The colour shows the loss weighting, or the first other setting with few values, and the marker the next
    such setting. Trials that did not finish are hollow. Of repeated configurations, single seeds are small
    and their mean is large.

    Args:
        trials: Trials with the setting `optimizer.learning_rate`; those without any epoch are omitted.
    """
    score = trials[0].score
    figure, axes = chart("learning rate", f"best validation {score.label}")
    colors, markers = color_styles(trials), marker_styles(trials)
    for group in group_seeds(trials):
        color, marker = colors.of(group.settings, BLUE), markers.of(group.settings, "o")
        repeated = len(group.scores) > 1
        points = [(t.name, t.best_score, not t.finished, 3.5 if repeated else 7.0) for t in group.trials]
        if repeated:
            points.append(("mean", group.mean, False, 8.0))
        for name, value, hollow, size in points:
            if not math.isnan(value):
                line = dot(name, color, marker, hollow=hollow, size=size)
                line.set_data([group.settings[LEARNING_RATE]], [value])
                axes.add_line(line)
    axes.margins(0.08)
    axes.autoscale_view()
    log_axis(axes, "x")
    _score_axis(axes, score)
    entries = [dot(value, color, "o") for value, color in colors.by_value.items()]
    entries += [dot(value, QUIET, marker) for value, marker in markers.by_value.items()]
    if label := _unfinished([trial for trial in trials if trial.records]):
        entries.append(dot(label, QUIET, "o", hollow=True))
    if entries:
        legend_above(figure, axes, entries)
    return figure


@styled
def log_variances_figure(trials: Sequence[Trial], task: str) -> Figure:
    """Draw the learned log-variance of a task by epoch for every trial that learns it.

    Args:
        trials: Trials; those without a learned log-variance are omitted.
        task: Name of the task.
    """
    figure, axes = chart("epoch", f"log σ² of {task}")
    colors = color_styles(trials)
    learning = learned(trials, task)
    for trial in learning:
        line = _curve(axes, trial, LOG_VARIANCE + task, colors.of(trial.settings, BLUE), 1.3)
        line.set_alpha(1.0 if trial.finished else 0.4)
    count_axis(axes)
    drawn = {colors.of(trial.settings, BLUE) for trial in learning}
    entries = [
        Line2D([], [], color=color, marker="o", label=value)
        for value, color in colors.by_value.items()
        if color in drawn
    ]
    if label := _unfinished(learning):
        entries.append(Line2D([], [], color=QUIET, alpha=0.4, marker="X", markersize=6, label=label))
    if entries:
        legend_above(figure, axes, entries)
    return figure


@styled
def differences_figure(comparisons: Sequence[Comparison]) -> Figure:
    """Draw differences with their 95 % intervals; resolved differences are filled."""
    score = comparisons[0].score
    label = f"difference in {score.label}" + (f",{score.unit}" if score.unit else "")
    figure, axes = chart(label, height_in=0.8 + 0.42 * len(comparisons))
    scale = 100 if score.is_share else 1
    for row, comparison in enumerate(comparisons):
        mean, interval = comparison.difference.mean, comparison.difference.interval
        color = BLUE if comparison.resolved else QUIET
        if interval:
            limits = [scale * limit for limit in interval]
            axes.plot(limits, [row, row], color=color, marker="|", markersize=8)
        marker = "o" if comparison.way == "matched" else "D"
        line = dot(f"{comparison.value} {comparison.way}", color, marker, hollow=not comparison.resolved)
        line.set_data([scale * mean], [row])
        axes.add_line(line)
    axes.axvline(0, color=INK, linestyle=":", linewidth=1.1)
    axes.autoscale_view()
    averaged = {"tuned": "", "matched": ", averaged"}
    _row_axis(axes, [f"{c.value}\n− {c.baseline}{averaged[c.way]}" for c in comparisons], fontsize=8)
    return figure


@styled
def importance_figure(importances: Sequence[Importance]) -> Figure:
    """Draw the share of each setting in the variance that the settings explain."""
    figure, axes = chart("share of what the settings explain", height_in=0.75 + 0.3 * len(importances))
    shares = [importance.share for importance in importances]
    axes.barh(range(len(shares)), shares, 0.7, color=BLUE)
    _row_axis(axes, [importance.label for importance in importances], fontsize=9)
    axes.set_xlim(0, max(0.05, 1.1 * max(shares)))
    percent_axis(axes, "x")
    return figure


def learned(trials: Sequence[Trial], task: str) -> list[Trial]:
    """Return the trials that learn the log-variance of a task."""
    return [trial for trial in trials if trial.records and _has_value(trial, LOG_VARIANCE + task)]


def learned_tasks(trials: Sequence[Trial]) -> list[str]:
    """Return the tasks whose log-variance any trial learns."""
    names = dict.fromkeys(name for trial in trials for record in trial.records[:1] for name in record)
    tasks = (name.removeprefix(LOG_VARIANCE) for name in names if name.startswith(LOG_VARIANCE))
    return [task for task in tasks if learned(trials, task)]


def _unfinished(trials: Sequence[Trial]) -> str:
    """Return the legend's label of the trials that did not finish; empty if all did."""
    found = {
        "stopped early": any(trial.stopped_early for trial in trials),
        "failed": any(trial.error is not None for trial in trials),
    }
    return " or ".join(word for word, is_there in found.items() if is_there)


def _has_value(trial: Trial, name: str) -> bool:
    value = trial.records[0].get(name)
    # A metric is NaN where only other trials have it.
    return value is not None and not math.isnan(value)


def _curve(axes: Axes, trial: Trial, name: str, color: str, width: float) -> Line2D:
    """Draw a metric of a trial by epoch, with a marker at its last epoch."""
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


def _row_axis(axes: Axes, labels: Sequence[str], fontsize: float) -> None:
    """Label the rows of a chart, the first one at the top."""
    axes.set_yticks(range(len(labels)), labels, fontsize=fontsize)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(len(labels) - 0.4, -0.6)
