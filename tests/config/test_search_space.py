from typing import Any

import pytest
from hypothesis import given, strategies as st

from faceml.config.config_error import ConfigError
from faceml.config.loading import apply_overrides, parse_config
from faceml.config.search_space import LogUniform, RandInt, Uniform, between, in_order
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
        "Bad value: 'search': weighting.lambda_landmarks: when asks for weighting.kind = 'dwa', which it "
        "never is. Its values are 'fixed', 'uncertainty'."
    )


def test_search__a_condition_on_a_range_is_refused() -> None:
    search = {"a.b": RANGE, "c.d": KIND | {"when": {"a.b": 1.0}}}
    assert "c.d: when names 'a.b', a range" in complaint(search)


def test_search__conditions_that_wait_for_each_other_are_refused() -> None:
    search = {"a": KIND | {"when": {"b": "fixed"}}, "b": KIND | {"when": {"a": "fixed"}}, "c": KIND}
    assert "a, b: each is searched only when the other is" in complaint(search)


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
        f"Bad value: 'metric' = '{metric}': weightings have different totals, which cannot be compared; "
        "judge on one of val/accuracy, val/macro_f1, val/landmark_mse, val/nme_interocular."
    )
    assert "'metric' = 'val/auc': must be 'val/accuracy'" in complaint({"a": KIND}, metric="val/auc")


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
