from itertools import product
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter

from faceml.config.config_error import ConfigError
from faceml.config.loading import apply_overrides, parse_config
from faceml.config.sections.search_space import (
    Choice,
    Grid,
    LogUniform,
    RandInt,
    SearchSpace,
    Uniform,
    between,
    combinations,
    corners,
    ends,
    holds,
    in_order,
    random_variants,
)
from faceml.config.tune import TuneConfig

SPLIT = {"table": "/tables", "images": "/images"}
TUNE: dict[str, Any] = {
    "train": {"data": {"train": SPLIT, "val": SPLIT}, "run": {"folder": "/runs/train"}},
    "run": {"folder": "/runs/tune"},
}
KIND = {"kind": "grid", "values": ["fixed", "uncertainty"]}
RANGE = {"kind": "uniform", "low": 0.1, "high": 10}


def complaint(search: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(ConfigError) as error:
        parse_config(TuneConfig, TUNE | {"search": search} | changes)
    return str(error.value)


def test_search__a_condition_on_a_key_that_is_not_searched_is_refused() -> None:
    search = {
        "weighting.kind": KIND,
        "weighting.lambda_landmarks": RANGE | {"when": {"weighting.knd": "fixed"}},
    }
    assert complaint(search) == (
        "Bad value: 'search': weighting.lambda_landmarks: when names 'weighting.knd', which is not searched. "
        "Searched are weighting.kind, weighting.lambda_landmarks."
    )


def test_search__a_condition_that_never_holds_is_refused() -> None:
    condition = {"when": {"weighting.kind": ["fixed", "dwa"]}}
    search = {"weighting.kind": KIND, "weighting.lambda_landmarks": RANGE | condition}
    assert complaint(search) == (
        "Bad value: 'search': weighting.lambda_landmarks: when requires weighting.kind = 'dwa', which is "
        "not one of its values: 'fixed', 'uncertainty'."
    )


def test_search__a_condition_on_a_range_is_refused() -> None:
    search = {"a.b": RANGE, "c.d": KIND | {"when": {"a.b": 1.0}}}
    assert "c.d: when names 'a.b', a range" in complaint(search)


def test_search__conditions_that_wait_for_each_other_are_refused() -> None:
    search = {"a": KIND | {"when": {"b": "fixed"}}, "b": KIND | {"when": {"a": "fixed"}}, "c": KIND}
    assert "a, b: the conditions of these keys depend on each other" in complaint(search)


@pytest.mark.parametrize(
    ("dimension", "line"),
    [
        ({"kind": "uniform", "low": 2, "high": 1}, "'search.a': low 2.0 is not below high 1.0."),
        ({"kind": "randint", "low": 3, "high": 3}, "'search.a': low 3 is not below high 3."),
        ({"kind": "randint", "low": 0.5, "high": 3}, "'search.a.low' = 0.5: must be a valid integer"),
        ({"kind": "loguniform", "low": -1, "high": 3}, "'search.a.low' = -1: must be greater than 0."),
        ({"kind": "grid", "values": []}, "'search.a.values' = []: "),
    ],
)
def test_search__impossible_dimensions_are_refused(dimension: dict[str, Any], line: str) -> None:
    assert line in complaint({"a": dimension})


@pytest.mark.parametrize("metric", ["train/loss", "val/loss_expression"])
def test_metric__a_loss_is_refused_by_name(metric: str) -> None:
    found = complaint({"weighting.kind": KIND}, metric=metric)
    assert found == (
        f"Bad value: 'metric' = '{metric}': the losses of different weightings cannot be compared; "
        "use a metric such as expression/accuracy."
    )


def test_searcher__a_grid_of_a_range_is_refused() -> None:
    found = complaint({"weighting.kind": KIND, "optimizer.learning_rate": RANGE}, searcher={"kind": "grid"})
    assert "searcher.kind: grid tries every value, and search.optimizer.learning_rate is a range" in found


def test_searcher__tpe_repeats_seeds_and_never_searches_them() -> None:
    seeds = {"kind": "choice", "values": [0, 1]}
    assert "search.seed: under searcher.kind: tpe seeds are repeated" in complaint(
        {"a": KIND, "seed": seeds}, searcher={"kind": "tpe"}
    )


def test_trial__more_than_one_gpu_is_a_whole_number() -> None:
    assert "gpus 1.5 is more than one GPU" in complaint({"a": KIND}, trial={"gpus": 1.5})
    for gpus in (0.25, 1, 2):
        parse_config(TuneConfig, TUNE | {"search": {"a": KIND}, "trial": {"gpus": gpus}})


def test_in_order__puts_conditions_before_what_depends_on_them() -> None:
    raw = {
        "z": KIND | {"when": {"y": "fixed"}},
        "a": RANGE,
        "y": KIND | {"when": {"x": ["fixed", "uncertainty"]}},
        "x": KIND,
    }
    assert in_order(parse_config(TuneConfig, TUNE | {"search": raw}).search) == ["a", "x", "y", "z"]


@given(share=st.floats(0, 1, exclude_max=True), low=st.floats(1e-6, 1e3), factor=st.floats(1.001, 1e6))
def test_between__stays_in_the_range_and_rises_with_the_share(
    share: float, low: float, factor: float
) -> None:
    for kind, model in (("uniform", Uniform), ("loguniform", LogUniform)):
        dimension = model.model_validate({"kind": kind, "low": low, "high": low * factor})
        assert between(dimension, 0) == pytest.approx(low)
        assert low <= between(dimension, share / 2) <= between(dimension, share) <= low * factor


@given(low=st.integers(-100, 100), more=st.integers(1, 50))
def test_between__reaches_both_ends_of_whole_numbers_and_all_in_between(low: int, more: int) -> None:
    dimension = RandInt(kind="randint", low=low, high=low + more)
    shares = [(number + 0.5) / (more + 1) for number in range(more + 1)]
    assert [between(dimension, share) for share in shares] == list(range(low, low + more + 1))


def test_between__half_way_in_orders_of_magnitude() -> None:
    assert between(LogUniform(kind="loguniform", low=1e-4, high=1e-2), 0.5) == pytest.approx(1e-3)


def test_search__keys_may_be_nested_as_overrides_make_them() -> None:
    raw = TUNE | {"search": {"weighting.kind": KIND}}
    overrides = [
        "search.weighting.lambda_landmarks={kind: grid, values: [1], when: {weighting.kind: fixed}}",
        "search.optimizer.learning_rate.kind=choice",
        "search.optimizer.learning_rate.values=[0.1]",
        "search.seed={kind: grid, values: [0, 1]}",
    ]
    config = parse_config(TuneConfig, apply_overrides(raw, overrides))
    keys = {"weighting.kind", "weighting.lambda_landmarks", "optimizer.learning_rate", "seed"}
    assert config.search.keys() == keys
    assert config.search["weighting.lambda_landmarks"].when == {"weighting.kind": "fixed"}
    nested = {"weighting": {"kind": KIND}, "optimizer": {"learning_rate": RANGE | {"when": {}}}}
    assert list(parse_config(TuneConfig, TUNE | {"search": nested}).search) == [
        "weighting.kind",
        "optimizer.learning_rate",
    ]
    assert "'search'" in complaint([1])  # type: ignore[arg-type]


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
