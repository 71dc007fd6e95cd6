"""Search spaces: dimensions, their conditions, and the settings sampled from them."""

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from faceml.config.base import Config, Positive

ArmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$")]
Arm = dict[str, Any]
"""Values of dotted keys of a training configuration."""
ARM = "arm"
"""The setting whose values are the names of arms."""
Condition = dict[str, Any]
Values = Annotated[tuple[Any, ...], Field(min_length=1)]


class _Dimension(Config):
    when: Condition = {}
    """Condition: searched keys with the value, or list of values, for which this dimension is active."""


class Choice(_Dimension):
    """One of the values, with equal probability."""

    kind: Literal["choice"]
    values: Values


class Grid(_Dimension):
    """Every value, combined with all values of the other grids; `num_trials` counts rounds of the grid."""

    kind: Literal["grid"]
    values: Values


class _Range(_Dimension):
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        return self


class Uniform(_Range):
    """Uniform distribution between low and high."""

    kind: Literal["uniform"]


class LogUniform(_Range):
    """Log-uniform distribution between low and high."""

    kind: Literal["loguniform"]
    low: Positive


class RandInt(_Range):
    """Uniform distribution of the integers from low to high, both included."""

    kind: Literal["randint"]
    low: Annotated[int, Field(strict=True)]
    high: Annotated[int, Field(strict=True)]


Dimension = Annotated[Choice | Grid | Uniform | LogUniform | RandInt, Field(discriminator="kind")]
Search = Mapping[str, Dimension]
Settings = dict[str, Any]
"""Values of dotted keys of the training configuration."""


def wanted_values(condition: Condition, key: str) -> list[Any]:
    """Return the values of a key for which a condition holds; a single value need not be a list."""
    wanted = condition[key]
    return list(wanted) if isinstance(wanted, list | tuple) else [wanted]


def in_order(search: Search) -> list[str]:
    """Return the keys in their order, but each after the keys that its condition names.

    Raises:
        ValueError: Conditions depend on each other.
    """
    ordered: list[str] = []
    while len(ordered) < len(search):
        ready = [key for key in search if key not in ordered and search[key].when.keys() <= set(ordered)]
        if not ready:
            waiting = ", ".join(key for key in search if key not in ordered)
            raise ValueError(
                f"{waiting}: the conditions of these keys depend on each other; remove one `when`"
            )
        ordered.append(ready[0])
    return ordered


def check_conditions(search: dict[str, Dimension]) -> dict[str, Dimension]:
    """Return the search unchanged if its conditions can be satisfied.

    Raises:
        ValueError: A condition names a key that is not searched, or a value that the key does not have.
    """
    for key, dimension in search.items():
        for other in dimension.when:
            named = search.get(other)
            if named is None:
                raise ValueError(
                    f"{key}: when names '{other}', which is not searched. Searched are {', '.join(search)}"
                )
            if not isinstance(named, Choice | Grid):
                raise ValueError(
                    f"{key}: when names '{other}', a range. Only keys of kind choice or grid can be named"
                )
            never = [value for value in wanted_values(dimension.when, other) if value not in named.values]
            if never:
                raise ValueError(
                    f"{key}: when requires {other} = {never[0]!r}, which is not one of its values: "
                    + ", ".join(map(repr, named.values))
                )
    in_order(search)
    return search


def dotted_dimensions(search: Any) -> Any:
    """Return a search with the nested sections that `--set search.seed.kind=…` creates as dotted keys.

    A section contains only mappings; a dimension always contains another value, such as its kind.
    """
    if not isinstance(search, Mapping):
        return search
    dotted: dict[Any, Any] = {}
    for name, value in search.items():
        is_section = (
            isinstance(value, Mapping) and value and all(isinstance(v, Mapping) for v in value.values())
        )
        dotted |= (
            {f"{name}.{key}": v for key, v in dotted_dimensions(value).items()}
            if is_section
            else {name: value}
        )
    return dotted


SearchSpace = Annotated[
    dict[str, Dimension],
    Field(min_length=1),
    BeforeValidator(dotted_dimensions),
    AfterValidator(check_conditions),
]


def ends(dimension: Dimension) -> tuple[Any, ...]:
    """Return all values of a dimension, or the two ends of a range."""
    if isinstance(dimension, Choice | Grid):
        return dimension.values
    return dimension.low, dimension.high


def between(dimension: Dimension, share: float) -> Any:
    """Return the value at a fraction in [0, 1) of a dimension, from its lowest or first value."""
    if isinstance(dimension, Choice | Grid):
        return dimension.values[int(share * len(dimension.values))]
    if isinstance(dimension, RandInt):
        return dimension.low + int(share * (dimension.high - dimension.low + 1))
    low, high = dimension.low, dimension.high
    if isinstance(dimension, LogUniform):
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        value = low + share * (high - low)
    return min(max(value, low), high)  # rounding errors may put it just outside


def holds(condition: Settings, chosen: Settings) -> bool:
    """Return whether every key of a condition is chosen with one of the values that it names."""
    return all(key in chosen and chosen[key] in wanted_values(condition, key) for key in condition)


def combinations(search: Search, values_of: Callable[[str], Sequence[Any]]) -> Iterator[Settings]:
    """Yield every combination of values, without the keys whose condition does not hold.

    Args:
        search: Dimensions by key.
        values_of: Function that returns the values of a key to combine.
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
    """Yield every combination of listed values and ends of ranges."""
    return combinations(search, lambda key: ends(search[key]))


def random_variants(search: Search, rounds: int, seed: int) -> list[Settings]:
    """Return the settings of a random search, without duplicates.

    Values are sampled once per round and shared by all combinations of the grids: two weightings, or three
    seeds, are compared at the same learning rates. Every key has its own random numbers, so that a further
    key in the search, or more rounds, do not change the values of the others.

    Args:
        search: Dimensions by key.
        rounds: Number of rounds of the whole grid.
        seed: Random seed.
    """
    found: list[Settings] = []
    for number in range(rounds):
        drawn = {key: _draw(key, search[key], number, seed) for key in search}
        for settings in combinations(search, drawn.__getitem__):
            if settings not in found:
                found.append(settings)
    return found


def _draw(key: str, dimension: Dimension, number: int, seed: int) -> Sequence[Any]:
    """Return the values of a key in a round: all values of a grid, one value of other dimensions."""
    if isinstance(dimension, Grid):
        return dimension.values
    import numpy as np

    rng = np.random.default_rng([seed, number, zlib.crc32(key.encode())])
    return [between(dimension, float(rng.random()))]
