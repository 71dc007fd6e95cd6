"""How the values of searched settings look, the same in every chart of a search."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.lines import Line2D

from faceml.page import COLORS, INK, MARKERS
from faceml.search import SEED, Trial, ordered_values, setting_keys, shown

LEARNING_RATE = "optimizer.learning_rate"
BROWN = "#7a4a12"
VALUE_COLORS = (*COLORS, INK, BROWN)
"""As many as there are loss weightings."""


@dataclass(frozen=True)
class Looks:
    """How the values of a setting look; of no setting if `key` is None."""

    key: str | None
    looks: dict[str, str]

    def of(self, settings: dict[str, Any], default: str) -> str:
        """Return the look of what has these settings."""
        return default if self.key is None else self.looks.get(shown(settings.get(self.key)), default)


def color_looks(trials: Sequence[Trial]) -> Looks:
    """Give colours to the values of the loss weighting, or else of the first setting that has few."""
    return _looks(trials, VALUE_COLORS, 0)


def marker_looks(trials: Sequence[Trial]) -> Looks:
    """Give markers to the values of the next setting that has few."""
    return _looks(trials, MARKERS, 1)


def dot(label: str, color: str, marker: str, *, hollow: bool = False, size: float = 7) -> Line2D:
    """Return a marker without a place."""
    line = Line2D([], [], color=color, marker=marker, linestyle="none", markersize=size, label=label)
    line.set_markeredgewidth(1.6)
    line.set_markerfacecolor("none" if hollow else color)
    return line


def _looks(trials: Sequence[Trial], choices: Sequence[str], number: int) -> Looks:
    """Give looks to the values of the `number`-th setting that has several values, yet no more than looks.

    Settings that only some trials have are passed over.
    """
    keys = [key for key in setting_keys(trials) if all(key in trial.settings for trial in trials)]
    values = {key: ordered_values(trials, key) for key in keys}
    few = [key for key in values if key not in (LEARNING_RATE, SEED) and 1 < len(values[key]) <= len(choices)]
    keys = sorted(few, key=lambda key: not key.startswith("weighting."))
    if number >= len(keys):
        return Looks(None, {})
    return Looks(keys[number], dict(zip(map(shown, values[keys[number]]), choices, strict=False)))
