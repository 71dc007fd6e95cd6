"""From a search space to the settings that are tried, drawn ahead of time from a seed."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from faceml.config.search_space import Dimension, Grid, Search, between, ends, in_order, wanted_values

Settings = dict[str, Any]
"""Dotted keys of the training configuration with a value each."""


def holds(condition: Settings, chosen: Settings) -> bool:
    """Say whether every key of a condition has been chosen, and with a value that it wants."""
    return all(key in chosen and chosen[key] in wanted_values(condition, key) for key in condition)


def combinations(search: Search, values_of: Callable[[str], Sequence[Any]]) -> Iterator[Settings]:
    """Yield every combination of values, keys being left out where their condition does not hold.

    Args:
        search: The dimensions.
        values_of: Returns the values to combine of a key.
    """
    order = in_order(search)

    def expand(depth: int, chosen: Settings) -> Iterator[Settings]:
        if depth == len(order):
            yield {key: chosen[key] for key in search if key in chosen}
            return
        key = order[depth]
        if not holds(search[key].when, chosen):
            yield from expand(depth + 1, chosen)
            return
        for value in values_of(key):
            yield from expand(depth + 1, chosen | {key: value})

    return expand(0, {})


def corners(search: Search) -> Iterator[Settings]:
    """Yield every combination of all listed values and of the ends of the ranges."""
    return combinations(search, lambda key: ends(search[key]))


def random_variants(search: Search, rounds: int, seed: int) -> list[Settings]:
    """Return the settings of a random search, none twice.

    What is drawn is drawn once for a round and shared by all combinations of the grids in it: two weightings,
    or three seeds, are compared at the same learning rates. Every key has random numbers of its own, so that
    another key in the search, or more rounds, leave the others' values as they were.

    Args:
        search: The dimensions.
        rounds: Of the whole grid.
        seed: Of all random numbers.
    """
    found: list[Settings] = []
    for number in range(rounds):
        drawn = {key: _draw(key, search[key], number, seed) for key in search}
        for settings in combinations(search, drawn.__getitem__):
            if settings not in found:
                found.append(settings)
    return found


def _draw(key: str, dimension: Dimension, number: int, seed: int) -> Sequence[Any]:
    """Return the values of a key in a round: all of a grid, one of everything else."""
    if isinstance(dimension, Grid):
        return dimension.values
    rng = np.random.default_rng([seed, number, zlib.crc32(key.encode())])
    return [between(dimension, float(rng.random()))]
