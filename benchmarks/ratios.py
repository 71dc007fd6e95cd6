"""Ratios of figures that were measured in turns."""

import statistics


def in_pairs(ours: list[float], theirs: list[float], digits: int = 3) -> float:
    """Return the median ratio of figures measured one after the other: a machine's speed drifts."""
    return round(statistics.median(one / other for one, other in zip(ours, theirs, strict=True)), digits)
