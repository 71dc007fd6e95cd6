"""Settings of a split: the values that select its rows, and the places of several sources."""

from pathlib import Path
from typing import Any

import pytest

from faceml.config.base import MustExist, OnEveryNode
from faceml.config.config_error import ConfigError
from faceml.config.loading import check_inputs, dump_config, load_yaml, parse_config
from faceml.config.paths import local_paths
from faceml.config.sections.split import SplitConfig


@pytest.mark.parametrize("where", [{"fold": 3}, {"fold": "3"}, {"fold": [3.0]}])
def test_split_config__equal_values_are_equal_settings(where: dict[str, object]) -> None:
    config = parse_config(SplitConfig, {"table": "/t", "where": where})
    assert config == parse_config(SplitConfig, {"table": "/t", "where": {"fold": ["3"]}})
    assert hash(config) == hash(parse_config(SplitConfig, load_yaml(dump_config(config))))
    assert config != parse_config(SplitConfig, {"table": "/t", "where": {"fold": ["4"]}})


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"a": None}, "'where.a' = None: must be text, a number, true or false, or a list of them"),
        ({"a": []}, "'where.a' = .*: has too few items"),
        ({"a": {"b": 1}}, "'where.a': must be text"),
        ("train", "'where' = 'train': must be a section of keys"),
    ],
)
def test_split_config__refuses_other_values(where: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(SplitConfig, {"table": "/t", "where": where})


def test_split_config__takes_a_place_or_one_for_each_source(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").touch()
    places: dict[str, Any] = {
        "table": str(tmp_path),
        "images": {"a": str(tmp_path), "b-1_x": "s3://bucket/b"},
    }
    config = parse_config(SplitConfig, places | {"labels": {"a": str(tmp_path / "labels.csv")}})
    assert config.labels is not None
    assert config.labels.file == {"a": str(tmp_path / "labels.csv")}
    assert parse_config(SplitConfig, load_yaml(dump_config(config))) == config
    assert hash(config) == hash(parse_config(SplitConfig, load_yaml(dump_config(config))))
    check_inputs(config)
    assert [key for key, _, _ in local_paths(config, MustExist)] == ["table", "images.a", "labels.file.a"]
    assert [key for key, _, _ in local_paths(config, OnEveryNode)] == ["table", "images.a", "labels.file.a"]
    keyed = parse_config(SplitConfig, places | {"labels": {"file": {"a": "s3://b/l.csv"}, "key": "path"}})
    assert keyed.labels is not None
    assert (keyed.labels.file, keyed.labels.key) == ({"a": "s3://b/l.csv"}, "path")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ({"A": "/a"}, "'images.A' = 'A': String should match pattern"),
        ({}, "'images' = .*: has too few items|'images': has too few items"),
        ({"a": 3}, "'images.a' = 3: must be a path or URI"),
        (3, "'images' = 3: must be a path or URI"),
        ({"a": "/nowhere"}, "'images.a' = '/nowhere': no such folder. Name one with --set images.a=FOLDER"),
    ],
)
def test_split_config__refuses_other_places(images: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        check_inputs(parse_config(SplitConfig, {"table": str(tmp_path), "images": images}))
    assert "\n" not in str(raised.value)
