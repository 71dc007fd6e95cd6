"""Numbers and lists of names as text."""

import math
from collections.abc import Sequence

PERCENT = "\N{NO-BREAK SPACE}%"
INTERVAL = f"95{PERCENT} interval"


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share from 0 to 1 as percent."""
    return "–" if share is None or math.isnan(share) else f"{100 * share:.{digits}f}{PERCENT}"


def percent_range(limits: tuple[float, float]) -> str:
    """Return two shares from 0 to 1 as a range of percent."""
    return f"{100 * limits[0]:.1f}–{100 * limits[1]:.1f}{PERCENT}"


def significant(value: float | None) -> str:
    """Return a number with three digits that count; a missing one as a dash."""
    return "–" if value is None else f"{value:.3g}"


def first_names(names: Sequence[str], most: int = 5) -> str:
    """Return the first few of many names as text, with an ellipsis if there are more."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
