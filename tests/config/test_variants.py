from itertools import product
from typing import Any

from hypothesis import given, strategies as st
from pydantic import TypeAdapter

from faceml.config.search_space import Choice, Grid, SearchSpace, between, ends
from faceml.config.variants import combinations, corners, holds, random_variants

Space = dict[str, Any]
adapter: TypeAdapter[Space] = TypeAdapter(SearchSpace)


def space(**dimensions: Any) -> Space:
    return adapter.validate_python({key.replace("__", "."): raw for key, raw in dimensions.items()})


LEARNING_RATE = {"kind": "loguniform", "low": 1e-4, "high": 1e-2}
KINDS = {"kind": "grid", "values": ["fixed", "uncertainty", "dwa"]}
LAMBDAS = {"kind": "grid", "values": [0.1, 1.0, 10.0], "when": {"weighting.kind": "fixed"}}
SEEDS = {"kind": "grid", "values": [0, 1]}


def test_random_variants__weightings_and_seeds_share_what_is_drawn_in_a_round() -> None:
    search = space(lr=LEARNING_RATE, weighting__kind=KINDS, weighting__lambda=LAMBDAS, seed=SEEDS)
    found = random_variants(search, rounds=4, seed=3)
    rates = list(dict.fromkeys(settings["lr"] for settings in found))
    assert len(rates) == 4
    for rate in rates:
        of_round = [{k: v for k, v in s.items() if k != "lr"} for s in found if s["lr"] == rate]
        fixed = [
            {"weighting.kind": "fixed", "weighting.lambda": weight, "seed": seed}
            for weight, seed in product([0.1, 1.0, 10.0], [0, 1])
        ]
        others = [{"weighting.kind": k, "seed": seed} for k, seed in product(["uncertainty", "dwa"], [0, 1])]
        assert of_round == fixed + others


def test_random_variants__are_never_tried_twice() -> None:
    search = space(a={"kind": "choice", "values": [1, 2]}, b=SEEDS)
    found = random_variants(search, rounds=50, seed=0)
    assert len(found) == 4
    assert sorted((s["a"], s["b"]) for s in found) == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_random_variants__another_key_or_more_rounds_leave_values_as_they_were() -> None:
    few = random_variants(space(lr=LEARNING_RATE), rounds=3, seed=1)
    more = random_variants(space(new=SEEDS, lr=LEARNING_RATE), rounds=5, seed=1)
    assert [s["lr"] for s in more[::2]][:3] == [s["lr"] for s in few]
    assert random_variants(space(lr=LEARNING_RATE), rounds=3, seed=2) != few


dimensions = st.one_of(
    st.builds(lambda n: {"kind": "grid", "values": list(range(n))}, st.integers(1, 3)),
    st.builds(lambda n: {"kind": "choice", "values": list(range(n))}, st.integers(1, 3)),
    st.just({"kind": "uniform", "low": 0.0, "high": 1.0}),
    st.just({"kind": "randint", "low": 0, "high": 4}),
)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Up to five dimensions, each perhaps with a condition on one before it, in any order."""
    raw: Space = {}
    for name in "abcde"[: draw(st.integers(1, 5))]:
        dimension = dict(draw(dimensions))
        named = [key for key, other in raw.items() if "values" in other]
        if named and draw(st.booleans()):
            other = draw(st.sampled_from(named))
            dimension["when"] = {other: draw(st.sampled_from(raw[other]["values"]))}
        raw[name] = dimension
    return adapter.validate_python({key: raw[key] for key in draw(st.permutations(list(raw)))})


@given(search=spaces(), rounds=st.integers(1, 4), seed=st.integers(0, 100))
def test_random_variants__have_a_key_exactly_where_its_condition_holds(
    search: Space, rounds: int, seed: int
) -> None:
    found = random_variants(search, rounds, seed)
    assert found == random_variants(search, rounds, seed)
    assert all(found.count(settings) == 1 for settings in found)
    for settings in found:
        for key, dimension in search.items():
            assert (key in settings) == holds(dimension.when, settings)
        for key, value in settings.items():
            dimension = search[key]
            if isinstance(dimension, Choice | Grid):
                assert value in dimension.values
            else:
                assert dimension.low <= value <= dimension.high


@given(search=spaces())
def test_combinations__are_those_of_the_full_product_with_idle_keys_left_out(search: Space) -> None:
    keys = list(search)
    expected = []
    for values in product(*(ends(search[key]) for key in keys)):
        settings = dict(zip(keys, values, strict=True))
        idle = [key for key in keys if not holds(search[key].when, settings)]
        while idle:  # what hangs on an idle key is idle too
            settings = {key: value for key, value in settings.items() if key not in idle}
            idle = [key for key in settings if not holds(search[key].when, settings)]
        if settings not in expected:
            expected.append(settings)
    found = list(combinations(search, lambda key: ends(search[key])))
    assert found == list(corners(search))
    by_items = sorted(sorted(settings.items()) for settings in found)
    assert by_items == sorted(sorted(settings.items()) for settings in expected)


def test_between__of_a_choice_is_each_value_as_often() -> None:
    dimension = Choice(kind="choice", values=("a", "b", "c", "d"))
    drawn = [between(dimension, number / 100) for number in range(100)]
    assert [drawn.count(value) for value in "abcd"] == [25] * 4
