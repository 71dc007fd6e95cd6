"""Seeds of the trainings that follow a search."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from faceml.config.config_error import ConfigError
from faceml.config.loading import assign_keys, parse_config
from faceml.config.tune import RetrainConfig, TuneConfig, retraining_seeds

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
        ConfigError, match=r"^retrain\.seeds: 1, 2: also of the search.*null for three"
    ) as refused:
        retraining_seeds(searched, RetrainConfig(seeds=(1, 2, 3)))
    assert "\n" not in str(refused.value)
