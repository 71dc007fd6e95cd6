"""Colours and markers of the values of searched settings, the same in every chart of a search."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.lines import Line2D

from faceml.page import COLORS, INK, MARKERS
from faceml.search import SEED, Trial, format_setting, ordered_values, setting_keys

LEARNING_RATE = "optimizer.learning_rate"
BROWN, INDIGO, OLIVE, WINE = "#7a4a12", "#332288", "#999933", "#882255"
VALUE_COLORS = (*COLORS, INK, BROWN, INDIGO, OLIVE, WINE)
"""As many as there are loss weightings."""


@dataclass(frozen=True)
class ValueStyles:
    """Colours or markers of the values of a setting.

    Attributes:
        key: Dotted key of the setting; None if no setting is distinguished.
        by_value: Colour or marker of each value, by its text.
    """

    key: str | None
    by_value: dict[str, str]

    def of(self, settings: dict[str, Any], default: str) -> str:
        """Return the colour or marker of a trial with these settings."""
        return (
            default
            if self.key is None
            else self.by_value.get(format_setting(settings.get(self.key)), default)
        )


def color_styles(trials: Sequence[Trial]) -> ValueStyles:
    """Assign colours to the values of the loss weighting, or else of the first setting with few values."""
    return _assign(VALUE_COLORS, trials, 0)


def marker_styles(trials: Sequence[Trial]) -> ValueStyles:
    """Assign markers to the values of the next setting with few values."""
    return _assign(MARKERS, trials, 1)


def dot(label: str, color: str, marker: str, *, hollow: bool = False, size: float = 7) -> Line2D:
    """Return a marker without a position."""
    line = Line2D([], [], color=color, marker=marker, linestyle="none", markersize=size, label=label)
    line.set_markeredgewidth(1.6)
    line.set_markerfacecolor("none" if hollow else color)
    return line


def _assign(styles: Sequence[str], trials: Sequence[Trial], number: int) -> ValueStyles:
    """Assign styles to the `number`-th setting of all trials with several values but not too many."""
    keys = [key for key in setting_keys(trials) if all(key in trial.settings for trial in trials)]
    values = {key: ordered_values(trials, key) for key in keys if key not in (LEARNING_RATE, SEED)}
    few = [key for key in values if 1 < len(values[key]) <= len(styles)]
    few.sort(key=lambda key: not key.startswith("weighting."))
    if number >= len(few):
        return ValueStyles(None, {})
    key = few[number]
    return ValueStyles(key, dict(zip(map(format_setting, values[key]), styles, strict=False)))
