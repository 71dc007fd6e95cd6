"""Classes that other packages add by entry points, beside those of faceml."""

from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any


def names_with_others(built_in: Iterable[str], group: str) -> list[str]:
    """Return faceml's own names, then those that installed packages add, in alphabetical order.

    Args:
        built_in: Names of faceml.
        group: Group of entry points.
    """
    own = list(built_in)
    return [*own, *sorted({point.name for point in entry_points(group=group)} - set(own))]


def load_entry_point(group: str, name: str) -> Any | None:
    """Import what a package has registered for a name; None if no installed package has.

    Args:
        group: Group of entry points.
        name: The name.
    """
    return next((point.load() for point in entry_points(group=group) if point.name == name), None)
