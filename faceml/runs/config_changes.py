"""Differences between the configurations of a run that is begun and of one that goes on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LOCATIONS = ("run.folder", "storage", "train.storage", "recognition.storage")
"""Settings of any job that locate its folders, which may have been moved between two starts."""
LOGGING = ("logging", "train.logging", "recognition.logging")
"""Settings of any job for its log."""
FREE_SECTIONS = ("arms", "search")
"""Sections whose keys the user chooses, at any depth."""
FREE_KEYS = ("tasks", "lambdas", "where", "file")
"""Last parts of the keys of sections whose own keys the user chooses."""


def changed_keys(before: dict[str, Any], after: dict[str, Any], may_change: Sequence[str]) -> list[str]:
    """Return the dotted keys in which two configurations differ, except those that may change."""
    allowed = tuple(f"{name}." for name in may_change)
    return [key for key in _differing_keys(before, after) if not f"{key}.".startswith(allowed)]


def grown_keys(before: Mapping[str, Any], after: Mapping[str, Any], may_grow: Sequence[str]) -> list[str]:
    """Return the dotted keys whose number is larger than before, or whose list or section has further values.

    Args:
        before: Configuration that the run began with.
        after: Configuration that it goes on with.
        may_grow: Dotted keys to compare.
    """
    return [key for key in may_grow if _has_grown(_value(before, key), _value(after, key))]


def _value(config: Mapping[str, Any], key: str) -> Any:
    """Return the value or section of a dotted key; None if there is none."""
    value: Any = config
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _differing_keys(before: Any, after: Any, key: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        # A setting that is missing in `before` was added by a later version.
        names = [*before, *after] if _is_free(key) else before
        for name in dict.fromkeys(names):
            yield from _differing_keys(before.get(name), after.get(name), f"{key}.{name}".lstrip("."))
    elif before != after:
        yield key


def _is_free(key: str) -> bool:
    return key.startswith(FREE_SECTIONS) or key.rpartition(".")[2] in FREE_KEYS


def _has_grown(old: Any, new: Any) -> bool:
    if isinstance(old, list) and isinstance(new, list):
        return len(new) > len(old) and all(value in new for value in old)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return len(new) > len(old) and all(new.get(name) == value for name, value in old.items())
    return isinstance(old, int | float) and isinstance(new, int | float) and new > old
