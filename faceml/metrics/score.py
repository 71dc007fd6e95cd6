"""Metrics that select a model, and their values as text."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from faceml.page import PERCENT, percent
from faceml.statistics import Interval


@dataclass(frozen=True)
class Score:
    """A validation metric.

    Attributes:
        metric: Name of the metric in records, or among those of a task.
        label: Name of the metric in reports.
        minimised: Whether lower is better.
        is_share: Whether values are formatted as percent, and differences in percentage points.
        digits: Number of decimals; None for three significant digits.
    """

    metric: str
    label: str
    minimised: bool
    is_share: bool
    digits: int | None

    @property
    def unit(self) -> str:
        """Unit of a difference, with a space before it."""
        return " points" if self.is_share else ""

    @property
    def direction(self) -> int:
        """1 where higher is better, -1 where lower is."""
        return -1 if self.minimised else 1

    def best(self, values: Iterable[float]) -> float:
        """Return the best of the values; NaN without any."""
        return self.direction * max((self.direction * value for value in values), default=math.nan)

    def format(self, value: float | None) -> str:
        """Return a value with its unit; a dash for a missing one."""
        if value is None or math.isnan(value):
            return "–"
        return percent(value, self.digits or 0) if self.is_share else self._number(value)

    def format_margin(self, interval: Interval | None) -> str:
        """Return half the width of an interval; a dash where there is none."""
        return "–" if interval is None else self._number((interval[1] - interval[0]) / 2)

    def format_difference(self, difference: float) -> str:
        """Return a difference with its sign, without its unit."""
        text = self._number(abs(difference))
        return ("−" if difference < 0 and float(text) else "+") + text

    def format_limits(self, interval: Interval | None) -> str:
        """Return the limits of a difference, without its unit; a dash where there are none."""
        return "–" if interval is None else "…".join(self.format_difference(limit) for limit in interval)

    def format_range(self, interval: Interval | None) -> str:
        """Return the limits of a value with their unit; a dash where there are none."""
        if interval is None or any(map(math.isnan, interval)):
            return "–"
        between = "…" if interval[0] < 0 else "–"
        low, high = map(self._number, interval)
        return f"{low}{between}{high}{PERCENT if self.is_share else ''}".replace("-", "−")

    def _number(self, value: float) -> str:
        scaled = 100 * value if self.is_share else value
        return f"{scaled:.3g}" if self.digits is None else f"{scaled:.{self.digits}f}"
