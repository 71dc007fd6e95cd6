"""Resuming an unfinished run, with the settings that may change."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from faceml.config.config_error import ConfigError
from faceml.config.loading import apply_overrides, dump_config, parse_config
from faceml.config.train import TrainConfig
from faceml.runs.run_folder import RunFolder
from ray_jobs.training.resuming import MAY_CHANGE, load_interrupted_training

CHANGES = {
    "data.train.table": "elsewhere",
    "data.train.images": "elsewhere",
    "data.val.table": "elsewhere",
    "data.val.images": "null",
    "data.train.labels.file": "elsewhere",
    "data.val.labels.file": "elsewhere",
    "data.leakage": "{on_found: ignore}",
    "data.loader_processes": "3",
    "data.cache": "elsewhere",
    "training.compile": "true",
    "training.on_nonfinite": "skip",
    "scaling.cpus_per_worker": "2",
    "scaling.wait_for_nodes_s": "60",
    "storage": "{shared: true}",
    "logging": "{format: json}",
    "tracking": '{kind: mlflow, uri: "https://mlflow.example.org"}',
    "run.checkpoints_to_keep": "5",
}
REFUSED = (
    "seed=1",
    "training.epochs=9",
    "training.batch_size_per_worker=8",
    "scaling.num_train_workers=2",
    "optimizer.learning_rate=0.1",
    "data.sampling=sqrt",
    "weighting.initial_log_var=0.5",
    "run.folder=/somewhere/else",
)


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    for name in ("table", "images", "labels", "elsewhere"):
        (tmp_path / name).mkdir()
    split = {name: str(tmp_path / name) for name in ("table", "images", "labels")}
    raw = {"data": {"train": split, "val": split}, "run": {"folder": str(tmp_path / "run")}}
    return parse_config(TrainConfig, raw)


def begin(place: str | Path, config: TrainConfig, may_change: Sequence[str] = ()) -> Path:
    with RunFolder(place) as run_folder:
        run_folder.begin(dump_config(config), may_change)
        return run_folder.path


@pytest.fixture
def folder(config: TrainConfig) -> Path:
    """An interrupted run."""
    return begin(config.run.folder, config)


def changed(config: TrainConfig, override: str) -> TrainConfig:
    return parse_config(TrainConfig, apply_overrides(config.model_dump(mode="json"), [override]))


def test_load_interrupted_training__is_the_same_configuration(folder: Path, config: TrainConfig) -> None:
    assert load_interrupted_training(folder) == config


def test_load_interrupted_training__a_run_that_was_moved_goes_on_where_it_is(
    folder: Path, config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.move(folder, tmp_path / "moved")
    loaded = load_interrupted_training(Path("moved"))
    assert loaded == changed(config, f"run.folder={tmp_path / 'moved'}")
    begin(loaded.run.folder, loaded, MAY_CHANGE)
    assert (tmp_path / "moved" / "config.yaml").read_text() == dump_config(loaded)


def test_may_change__is_tried_below_key_by_key() -> None:
    assert CHANGES.keys() == set(MAY_CHANGE)


@pytest.mark.parametrize("key", CHANGES)
def test_load_interrupted_training__takes_what_does_not_change_the_result(
    key: str, folder: Path, config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    override = f"{key}={CHANGES[key]}"
    loaded = load_interrupted_training(folder, [override])
    assert loaded == changed(config, override) != config
    begin(folder, loaded, MAY_CHANGE)
    assert load_interrupted_training(folder) == loaded, "and keeps it"


@pytest.mark.parametrize("override", REFUSED)
def test_load_interrupted_training__refuses_what_changes_the_result(override: str, folder: Path) -> None:
    key = override.partition("=")[0]
    with pytest.raises(ConfigError) as refused:
        load_interrupted_training(folder, [override])
    told = str(refused.value)
    assert told.startswith(f"--resume {folder}: {key}")
    assert "cannot change in the middle of a training. These can: data.train.table, " in told
    assert "\n" not in told


@pytest.mark.parametrize("override", REFUSED[:-1])
def test_begin__refuses_the_same_in_the_same_command_again(
    override: str, folder: Path, config: TrainConfig
) -> None:
    with pytest.raises(ConfigError, match=f"unfinished run with another {override.partition('=')[0]}"):
        begin(folder, changed(config, override), MAY_CHANGE)


def test_begin__without_permission_nothing_may_change(folder: Path, config: TrainConfig) -> None:
    with pytest.raises(ConfigError, match=r"unfinished run with another scaling\.cpus_per_worker"):
        begin(folder, changed(config, "scaling.cpus_per_worker=2"))


def test_load_interrupted_training__an_input_that_is_gone_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "images").rmdir()
    with pytest.raises(
        ConfigError, match=r"'data\.train\.images' = .*: no such folder\. Name one with --set"
    ):
        load_interrupted_training(folder)
    both = [f"data.{split}.images={tmp_path / 'elsewhere'}" for split in ("train", "val")]
    assert load_interrupted_training(folder, both).data.val.images == str(tmp_path / "elsewhere")


def test_load_interrupted_training__a_finished_run_is_refused_unless_it_has_more_epochs(
    folder: Path, config: TrainConfig
) -> None:
    (folder / "report.html").write_text("")
    with pytest.raises(ConfigError, match=r"^--resume .*: the training is finished, its results are in"):
        load_interrupted_training(folder)
    longer = load_interrupted_training(folder, ["training.epochs=30"])
    assert longer == changed(config, "training.epochs=30")
    with pytest.raises(ConfigError, match=r"training\.batch_size_per_worker cannot change"):
        load_interrupted_training(folder, ["training.epochs=30", "training.batch_size_per_worker=8"])


@pytest.mark.parametrize("content", ["data: {root: /faces}\noutput: {table: /table}\n", "text\n"])
def test_load_interrupted_training__the_run_of_another_command_is_refused(
    content: str, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(ConfigError, match=r"^--resume .*: its config\.yaml is not that of a training\.$"):
        load_interrupted_training(tmp_path)


def test_load_interrupted_training__a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ConfigError, match=f"^--resume {folder}: holds no run"):
            load_interrupted_training(folder)
