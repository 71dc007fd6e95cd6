"""Suggestions of plans, with values of a function in place of a training."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from faceml.config.loading import parse_config
from faceml.config.sections.search_space import holds, random_variants
from faceml.config.tune import TuneConfig
from ray_jobs.search.plan import build_plan
from ray_jobs.search.searcher import Plan

SPLIT = {"table": "/tables", "images": "/images"}
LEARNING_RATE = {"kind": "loguniform", "low": 1e-4, "high": 1.0}
LAMBDA = {"kind": "loguniform", "low": 1e-2, "high": 1e2, "when": {"weighting.kind": "fixed"}}


def grid(*values: Any) -> dict[str, Any]:
    return {"kind": "grid", "values": list(values)}


def config(search: dict[str, Any], searcher: dict[str, Any], num_trials: int = 3) -> TuneConfig:
    return parse_config(
        TuneConfig,
        {
            "train": {"data": {"train": SPLIT, "val": SPLIT}, "run": {"folder": "/runs/train"}},
            "search": search,
            "searcher": searcher,
            "num_trials": num_trials,
            "run": {"folder": "/runs/tune"},
        },
    )


class Suggestion(NamedTuple):
    trial: str
    settings: dict[str, Any]


def played(plan: Plan, value: Callable[[dict[str, Any]], float | None]) -> list[Suggestion]:
    found = []
    for name, settings in plan.trials:
        found.append(Suggestion(name, settings))
        if plan.on_result is not None:
            plan.on_result(name, value(settings))
    return found


def test_build_plan__random_has_the_variants_in_their_order() -> None:
    search = config({"lr": LEARNING_RATE, "seed": grid(0, 1)}, {"kind": "random"})
    plan = build_plan(search, {})
    found = played(plan, lambda _: 0.5)
    assert [suggestion.settings for suggestion in found] == random_variants(search.search, 3, search.seed)
    assert [suggestion.trial for suggestion in found] == [f"trial_{number:05}" for number in range(6)]
    assert plan.total == 6


def test_build_plan__grid_has_every_combination_once_whatever_num_trials() -> None:
    search = {"a": {"kind": "choice", "values": [1, 2, 3]}, "seed": grid(0, 1)}
    found = played(build_plan(config(search, {"kind": "grid"}), {}), lambda _: 0.5)
    assert len(found) == 6
    assert {(s.settings["a"], s.settings["seed"]) for s in found} == {
        (a, s) for a in (1, 2, 3) for s in (0, 1)
    }


TPE = {"kind": "tpe", "startup_rounds": 5}
CONDITIONAL = {
    "lr": LEARNING_RATE,
    "weighting.kind": grid("fixed", "uncertainty"),
    "weighting.lambda": LAMBDA,
}


def test_tpe_studies__has_a_key_exactly_where_its_condition_holds() -> None:
    search = config(CONDITIONAL, TPE)
    found = played(build_plan(search, {}), lambda _: 0.5)
    assert len(found) == 6
    for suggestion in found:
        for key, dimension in search.search.items():
            assert (key in suggestion.settings) == holds(dimension.when, suggestion.settings)


def test_tpe_studies__every_combination_of_the_grids_is_searched_as_often() -> None:
    found = played(build_plan(config(CONDITIONAL, TPE, num_trials=4), {}), lambda _: 0.5)
    kinds = [suggestion.settings["weighting.kind"] for suggestion in found]
    assert kinds == ["fixed", "uncertainty"] * 4


@pytest.mark.parametrize("kind", ["fixed", "uncertainty"])
def test_tpe_studies__finds_where_each_combination_is_best(kind: str) -> None:
    """After so many rounds it draws nearer to the best, which lies elsewhere for each weighting."""
    best = {"fixed": 1e-3, "uncertainty": 1e-1}

    def value(settings: dict[str, Any]) -> float:
        return -abs(settings["lr"] / best[settings["weighting.kind"]] - 1)

    found = played(build_plan(config(CONDITIONAL, TPE, num_trials=40), {}), value)
    values = [value(s.settings) for s in found if s.settings["weighting.kind"] == kind]
    assert sorted(values[20:])[10] > sorted(values[:5])[2]
    assert max(values) > -0.2


def test_tpe_studies__seeds_share_settings_and_count_by_their_mean() -> None:
    """One seed is lucky at high rates; the mean over both is best at low ones."""
    search = config({"lr": LEARNING_RATE, "seed": grid(0, 1)}, TPE, num_trials=30)

    def value(settings: dict[str, Any]) -> float:
        return 1.0 * settings["lr"] if settings["seed"] == 0 else -10.0 * settings["lr"]

    found = played(build_plan(search, {}), value)
    assert len(found) == 60
    pairs = list(zip(found[::2], found[1::2], strict=True))
    assert all(one.settings["lr"] == other.settings["lr"] for one, other in pairs)
    assert all((one.settings["seed"], other.settings["seed"]) == (0, 1) for one, other in pairs)
    late = sorted(one.settings["lr"] for one, _ in pairs[15:])
    assert late[len(late) // 2] < 1e-2


def test_tpe_studies__a_search_that_is_continued_suggests_again_what_began() -> None:
    search = config(CONDITIONAL | {"seed": grid(0, 1)}, TPE, num_trials=6)
    whole = played(build_plan(search, {}), lambda settings: -settings["lr"])
    begun = {suggestion.trial: suggestion.settings for suggestion in whole[:9]}  # the ninth's seed is alone
    again = played(build_plan(search, begun), lambda settings: -settings["lr"])
    assert [suggestion.settings for suggestion in again[:10]] == [s.settings for s in whole[:10]]
    assert len(again) == len(whole) == 24


@pytest.mark.parametrize("kind", ["random", "grid", "tpe"])
@pytest.mark.parametrize(("rounds", "seeds"), [(5, (0, 1)), (3, (1, 0, 2)), (5, (0, 1, 2, 3))])
def test_build_plan__more_rounds_and_seeds_keep_all_trials_before(
    kind: str, rounds: int, seeds: tuple[int, ...]
) -> None:
    """Their names and settings stay, read from files, and new trials have new names."""
    dimension = {"kind": "choice", "values": [1e-3, 1e-2]} if kind == "grid" else LEARNING_RATE
    space = {"lr": dimension, "weighting.kind": grid("fixed", "uncertainty")}

    def value(settings: dict[str, Any]) -> float:
        return -float(settings["lr"])

    before = played(build_plan(config(space | {"seed": grid(0, 1)}, {"kind": kind}), {}), value)
    known = {name: json.loads(json.dumps(settings)) for name, settings in before}
    longer = config(space | {"seed": grid(*seeds)}, {"kind": kind}, num_trials=rounds)
    after = dict(played(build_plan(longer, known), value))
    assert {name: after[name] for name in known} == known
    values_of_lr = 2 if kind == "grid" else rounds
    assert len(after) == build_plan(longer, known).total == values_of_lr * 2 * len(seeds)
    settings = [tuple(found.values()) for found in after.values()]
    assert len(set(settings)) == len(settings)
    for found in after.values():  # every rate has all seeds
        alike = [other for other in after.values() if other["lr"] == found["lr"]]
        assert {other["seed"] for other in alike} == set(seeds)


def test_tpe_studies__failed_trials_are_no_results() -> None:
    found = played(build_plan(config({"lr": LEARNING_RATE}, TPE, num_trials=12), {}), lambda _: None)
    assert len(found) == 12


def test_tpe_studies__values_may_be_lists_and_numbers_whole() -> None:
    scales = [[0.9, 1.1], [1.0, 1.0]]
    search = {"scale": {"kind": "choice", "values": scales}, "n": {"kind": "randint", "low": 1, "high": 3}}
    found = played(build_plan(config(search, TPE, num_trials=20), {}), lambda settings: settings["n"])
    assert {tuple(suggestion.settings["scale"]) for suggestion in found} == {(0.9, 1.1), (1.0, 1.0)}
    assert {suggestion.settings["n"] for suggestion in found} == {1, 2, 3}
