"""Parallel coordinates plot of the settings and scores of a search."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from faceml.page import BLUE, FAINT, INK, QUIET, WIDTH_IN, legend_above, styled
from faceml.reporting.search.colors import color_styles
from faceml.search import (
    SEED,
    Trial,
    TrialGroup,
    format_setting,
    group_seeds,
    ordered_values,
    setting_keys,
    setting_name,
)

HEIGHT_IN = 3.2
MISSING = -0.14
"""Height of a setting that does not apply."""
LOG_RATIO = 10.0
"""Ratio of the limits from which a range of positive numbers is scaled logarithmically."""
CLOSE = 0.12
"""Distance from an end of an axis within which values have no label."""
MOST_BETWEEN = 1


@styled
def parallel_coordinates_figure(trials: Sequence[Trial]) -> Figure:
    """Draw every configuration as a line across its settings to its mean score.

    The colour shows the loss weighting. The best configuration is thick; one without a finished trial is
    faint, with its best score so far. The line passes below the axis of a setting that does not apply.

    Args:
        trials: At least one of them with a score.
    """
    groups = [group for group in group_seeds(trials) if not math.isnan(_score(group))]
    keys = compared_keys(trials)
    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
    axes = figure.add_subplot()
    scales = [_setting_axis(axes, place, trials, key) for place, key in enumerate(keys)]
    score_scale = _score_axis(axes, len(keys), groups)
    colors = color_styles(trials)
    for rank, group in reversed(list(enumerate(groups))):
        heights = [scale(group.settings.get(key)) for scale, key in zip(scales, keys, strict=True)]
        (line,) = axes.plot(
            range(len(keys) + 1),
            [*heights, score_scale(_score(group))],
            color=colors.of(group.settings, BLUE) if group.scores else FAINT,
            linewidth=2.6 if rank == 0 else 1.0,
            alpha=1.0 if rank == 0 or not group.scores else 0.65,
            label=f"configuration {rank + 1}",
        )
        line.set_zorder(4 if rank == 0 else 3 if group.scores else 2)
    names = [*map(setting_name, keys), groups[0].score.label]
    axes.set_xticks(range(len(names)), [name.replace(" ", "\n") for name in names], fontsize=9)
    axes.tick_params(axis="x", labelcolor=INK)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_xlim(-0.1, len(names) - 1 + 0.42)
    entries = [Line2D([], [], color=color, label=value) for value, color in colors.by_value.items()]
    if any(not group.scores for group in groups):
        entries.append(Line2D([], [], color=FAINT, label="stopped early"))
    if entries:
        legend_above(figure, axes, entries)
    return figure


def compared_keys(trials: Sequence[Trial]) -> list[str]:
    """Return the settings that differ among the trials, except the seed."""

    def differs(key: str) -> bool:
        return len(ordered_values(trials, key)) > 1 or any(key not in trial.settings for trial in trials)

    return [key for key in setting_keys(trials) if key != SEED and differs(key)]


def _score(group: TrialGroup) -> float:
    return group.mean if group.scores else group.best_so_far


def _setting_axis(axes: Axes, place: int, trials: Sequence[Trial], key: str) -> Callable[[Any], float]:
    """Draw the axis of a setting, and return the function from its values to heights."""
    values = ordered_values(trials, key)
    missing = any(key not in trial.settings for trial in trials)
    if missing:
        _label(axes, place, MISSING, "none")
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if not numeric or len(values) == 1:
        heights = {
            format_setting(v): (n / (len(values) - 1) if len(values) > 1 else 0.5)
            for n, v in enumerate(values)
        }
        _draw(axes, place, {height: text.replace("_", "\n") for text, height in heights.items()})
        return lambda value: MISSING if value is None else heights[format_setting(value)]
    low, high = float(values[0]), float(values[-1])
    scale = _scale(low, high, log=low > 0 and high >= LOG_RATIO * low)
    between = [value for value in values if CLOSE < scale(value) < 1 - CLOSE]
    ticks = (low, *(between if len(between) <= MOST_BETWEEN else ()), high)
    _draw(axes, place, {scale(value): format_setting(value) for value in ticks})
    return lambda value: MISSING if value is None else scale(float(value))


def _score_axis(axes: Axes, place: int, groups: Sequence[TrialGroup]) -> Callable[[float], float]:
    """Draw the axis of the score, better ones higher, and return the function from scores to heights."""
    score = groups[0].score
    values = sorted((_score(group) for group in groups), key=lambda value: score.direction * value)
    worst, best = values[0], values[-1]
    if worst == best:
        _draw(axes, place, {0.5: score.format(best)})
        return lambda _: 0.5
    _draw(axes, place, {0.0: score.format(worst), 1.0: score.format(best)})
    return _scale(worst, best, log=False)


def _scale(low: float, high: float, *, log: bool) -> Callable[[float], float]:
    """Return a function that is 0 at low and 1 at high."""
    if log:
        return lambda value: math.log(value / low) / math.log(high / low)
    return lambda value: (value - low) / (high - low)


def _draw(axes: Axes, place: int, ticks: dict[float, str]) -> None:
    axes.plot([place, place], [0, 1], color=QUIET, linewidth=1.1, zorder=5)
    for height, text in ticks.items():
        _label(axes, place, height, text)


def _label(axes: Axes, place: int, height: float, text: str) -> None:
    # A white outline keeps labels readable over lines; a dark page inverts it with the rest.
    axes.text(
        place + 0.04,
        height,
        text,
        fontsize=8,
        color=INK,
        va="center",
        zorder=6,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )
