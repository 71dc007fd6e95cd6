"""Which paths every node has to reach, and who is refused because of them."""

from pathlib import Path
from typing import Any

import pytest

from faceml.config.base import Config
from faceml.config.config_error import ConfigError
from faceml.config.extract import ExtractConfig
from faceml.config.loading import parse_config
from faceml.config.paths import refuse_outputs_below, refuse_paths_of_one_node
from faceml.config.recognition import RecognitionConfig
from faceml.config.study import StudyConfig
from faceml.config.train import TrainConfig
from faceml.config.tune import TuneConfig


@pytest.fixture
def split(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "table").mkdir()
    return {"table": str(tmp_path / "table")}


def training(split: dict[str, Any], **sections: Any) -> dict[str, Any]:
    return {
        "data": {"train": split, "val": split, "cache": "/scratch"},
        "run": {"folder": "/mnt/run"},
    } | sections


def test_refuse_paths_of_one_node__names_a_path_and_how_to_declare_it_shared(split: dict[str, Any]) -> None:
    config = parse_config(TrainConfig, training(split))
    refuse_paths_of_one_node(config, 1)
    with pytest.raises(ConfigError) as refused:
        refuse_paths_of_one_node(config, 3)
    assert str(refused.value) == (
        f"data.train.table = {split['table']!r} and 2 more: the cluster has several nodes, each with its "
        "own disk. Use an object store (s3://…) where the setting accepts one, or a file system that all "
        "nodes mount at the same path, with --set storage.shared=true."
    )
    refuse_paths_of_one_node(parse_config(TrainConfig, training(split, storage={"shared": True})), 3)


def test_refuse_paths_of_one_node__what_lies_in_an_object_store_is_reached_from_everywhere() -> None:
    plain = {"data": {"root": "s3://bucket/faces"}, "output": {"table": "s3://bucket/table"}}
    refuse_paths_of_one_node(parse_config(ExtractConfig, plain), 2)
    refuse_paths_of_one_node(parse_config(ExtractConfig, plain | {"run": {"folder": "/driver/run"}}), 2)
    plain["output"] = {"table": "/data/table"}
    with pytest.raises(ConfigError, match=r"^output.table = '/data/table': the cluster has several nodes"):
        refuse_paths_of_one_node(parse_config(ExtractConfig, plain), 2)


def test_refuse_paths_of_one_node__of_a_training_only_what_is_local_is_named() -> None:
    stored = {"table": "s3://bucket/table?region=eu-west-1", "images": "gs://bucket/faces"}
    plain = training(stored, run={"folder": "/mnt/run"}) | {"model": {"weights": "s3://bucket/best_model.pt"}}
    with pytest.raises(ConfigError, match=r"^run\.folder = '/mnt/run': the cluster has several nodes"):
        refuse_paths_of_one_node(parse_config(TrainConfig, plain), 2)
    plain["run"] = {"folder": "s3://bucket/run"}
    refuse_paths_of_one_node(parse_config(TrainConfig, plain), 2)
    plain["model"] = {"weights": "/mnt/best_model.pt"}
    with pytest.raises(ConfigError, match=r"^model\.weights = '/mnt/best_model\.pt': "):
        refuse_paths_of_one_node(parse_config(TrainConfig, plain), 2)


@pytest.mark.parametrize(
    ("model", "section", "rest"),
    [
        (TuneConfig, "train", {"search": {"seed": {"kind": "grid", "values": [0, 1]}}}),
        (StudyConfig, "recognition", {"arms": {"a": {}, "b": {"data.sampling": "naive"}}}),
    ],
)
def test_refuse_paths_of_one_node__of_a_search_its_training_says_what_is_shared(
    model: type[Config], section: str, rest: dict[str, Any], split: dict[str, Any]
) -> None:
    plain = {section: training(split), "run": {"folder": "/mnt/search"}, **rest}
    with pytest.raises(ConfigError, match=rf"--set {section}\.storage\.shared=true"):
        refuse_paths_of_one_node(parse_config(model, plain), 2)
    plain[section]["storage"] = {"shared": True}
    refuse_paths_of_one_node(parse_config(model, plain), 2)


@pytest.mark.parametrize(
    ("model", "section", "rest"),
    [
        (TuneConfig, "train", {"search": {"seed": {"kind": "grid", "values": [0, 1]}}}),
        (StudyConfig, "recognition", {"arms": {"a": {}, "b": {"data.sampling": "naive"}}}),
    ],
)
def test_refuse_paths_of_one_node__a_search_in_a_store_has_no_use_for_the_folder_of_its_training(
    model: type[Config], section: str, rest: dict[str, Any]
) -> None:
    stored = {"table": "s3://bucket/table", "images": "s3://bucket/faces"}
    plain = {section: training(stored), "run": {"folder": "/mnt/search"}, **rest}
    with pytest.raises(ConfigError, match=r"^run\.folder = '/mnt/search': the cluster has several nodes"):
        refuse_paths_of_one_node(parse_config(model, plain), 2)
    plain["run"] = {"folder": "s3://bucket/search"}
    refuse_paths_of_one_node(parse_config(model, plain), 2)


def test_refuse_paths_of_one_node__a_cache_is_each_nodes_own(split: dict[str, Any]) -> None:
    config = parse_config(RecognitionConfig, training(split))
    with pytest.raises(ConfigError) as refused:
        refuse_paths_of_one_node(config, 2)
    assert " and 2 more: " in str(refused.value)


def test_refuse_outputs_below__names_what_would_be_thrown_away_with_the_uploaded_folder(
    split: dict[str, Any], tmp_path: Path
) -> None:
    config = parse_config(TrainConfig, training(split, run={"folder": str(tmp_path / "runs/a")}))
    with pytest.raises(ConfigError) as refused:
        refuse_outputs_below(config, tmp_path)
    assert str(refused.value) == (
        "run.folder = 'runs/a': lies in the uploaded folder, which is deleted after the job. Use an "
        "absolute path outside it, or a URI."
    )


def test_refuse_outputs_below__inputs_may_have_been_uploaded(split: dict[str, Any], tmp_path: Path) -> None:
    refuse_outputs_below(parse_config(TrainConfig, training(split)), tmp_path)


def test_refuse_outputs_below__the_training_of_a_search_writes_nowhere_else(
    split: dict[str, Any], tmp_path: Path
) -> None:
    train = training(split, run={"folder": str(tmp_path / "unused")})
    search = {"seed": {"kind": "grid", "values": [0, 1]}}
    plain = {"train": train, "search": search, "run": {"folder": "/mnt/search"}}
    refuse_outputs_below(parse_config(TuneConfig, plain), tmp_path)
