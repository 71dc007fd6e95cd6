"""Seeds of the trainings that follow a search."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from faceml.config.config_error import ConfigError
from faceml.config.loading import assign_keys, parse_config
from faceml.config.sections.search_space import corners
from faceml.config.tune import RetrainConfig, TuneConfig, build_trial_config, retraining_seeds

SHIPPED = Path(__file__).parents[2] / "configs/tune_multitask.yaml"


def config(seed: dict[str, Any] | None) -> TuneConfig:
    raw = assign_keys(yaml.safe_load(SHIPPED.read_text(encoding="utf-8")), {"train.seed": 1})
    raw["search"] |= {} if seed is None else {"seed": seed}
    return parse_config(TuneConfig, raw)


@pytest.mark.parametrize(
    ("searched", "fresh"),
    [
        (None, (0, 2, 3)),
        ({"kind": "grid", "values": [0, 1, 2]}, (3, 4, 5)),
        ({"kind": "choice", "values": [1, 4]}, (0, 2, 3)),
        ({"kind": "randint", "low": 1, "high": 9}, (0, 10, 11)),
        ({"kind": "grid", "values": [0, 3], "when": {"weighting.kind": "fixed"}}, (2, 4, 5)),
    ],
)
def test_retraining_seeds__are_others_than_those_of_the_search(
    searched: dict[str, Any] | None, fresh: tuple[int, ...]
) -> None:
    assert retraining_seeds(config(searched), RetrainConfig()) == fresh
    assert retraining_seeds(config(searched), RetrainConfig(seeds=fresh[1:])) == fresh[1:]


def test_retraining_seeds__those_of_the_search_are_refused_in_one_line() -> None:
    searched = config({"kind": "grid", "values": [0, 1, 2]})
    with pytest.raises(
        ConfigError, match=r"^retrain\.seeds: 1, 2: the search already used.*null for three"
    ) as refused:
        retraining_seeds(searched, RetrainConfig(seeds=(1, 2, 3)))
    assert "\n" not in str(refused.value)


def with_arms(arms: dict[str, Any], search: dict[str, Any]) -> TuneConfig:
    raw = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    return parse_config(TuneConfig, raw | {"arms": arms, "search": search, "searcher": {"kind": "grid"}})


SEEDS = {"seed": {"kind": "grid", "values": [0, 1]}}


def test_arms__are_searched_with_every_value_of_the_grids() -> None:
    searched = with_arms({"all": {}, "without_flips": {"data.augmentation.flip_probability": 0.0}}, SEEDS)
    settings = list(corners(searched.search))
    assert settings == [{"arm": arm, "seed": seed} for arm in ("all", "without_flips") for seed in (0, 1)]
    trials = [build_trial_config(searched, chosen, "/runs/trial") for chosen in settings]
    assert [trial.data.augmentation.flip_probability for trial in trials] == [0.5, 0.5, 0.0, 0.0]
    assert [trial.seed for trial in trials] == [0, 1, 0, 1]


def test_arms__a_section_replaces_the_whole_section_and_conditions_name_arms() -> None:
    alone = {"expression": {"kind": "classification"}}
    both = alone | {"landmarks": {"kind": "landmarks"}}
    lambdas = {"kind": "grid", "values": [1.0, 10.0], "when": {"arm": "fixed"}}
    searched = with_arms(
        {"alone": {"tasks": alone}, "fixed": {"tasks": both, "weighting.kind": "fixed"}},
        {"weighting.lambda_landmarks": lambdas},
    )
    found = [build_trial_config(searched, chosen, "/runs/trial") for chosen in corners(searched.search)]
    assert [list(trial.all_tasks) for trial in found] == [["expression"], *[["expression", "landmarks"]] * 2]
    assert [getattr(trial.weighting, "lambda_landmarks", None) for trial in found] == [None, 1.0, 10.0]


def test_arms__an_unknown_one_is_refused_by_name() -> None:
    searched = {"arm": {"kind": "grid", "values": ["all", "other"]}}
    with pytest.raises(ConfigError, match=r"search\.arm: 'other' is none of arms: all"):
        with_arms({"all": {}}, searched)
    with pytest.raises(ConfigError, match=r"search\.arm: 'all' is none of arms: there are none"):
        with_arms({}, {"arm": {"kind": "grid", "values": ["all"]}})
