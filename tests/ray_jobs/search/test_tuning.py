"""Searches on Ray: failures, retries, caching of data, and the best trial."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console

from faceml.config.config_error import ConfigError
from faceml.config.loading import dump_config, load_config, parse_config
from faceml.config.train import TrainConfig
from faceml.config.tune import TuneConfig
from faceml.errors import StoppedError
from faceml.page.tables import percent
from faceml.runs.trial_folder import TrialFolder
from faceml.search.trial import Trial
from faceml.training import faces
from ray_jobs.search import tuning
from ray_jobs.search.trial import TrialJob, train_trial
from tests.job import NARROW_BACKBONE, python_path

pytestmark = pytest.mark.usefixtures("ray_cluster")

MakeConfig = Callable[..., TuneConfig]
ONE_BY_ONE = {"cpus": 2}
"""Trials in one process, where a second one would start for longer than it trains."""


@pytest.fixture
def make_config(faces: Path, tables: Path, tmp_path: Path) -> MakeConfig:
    """A search over so many epochs of a tiny training; other keys as given."""

    def make(search: dict[str, Any], epochs: int = 1, **changes: Any) -> TuneConfig:
        return parse_config(
            TuneConfig, tune_settings(faces, tables, tmp_path / "tune", search, epochs) | changes
        )

    return make


SEARCH: dict[str, Any] = {
    "weighting.kind": {"kind": "grid", "values": ["rlw"]},
    "optimizer.learning_rate": {"kind": "loguniform", "low": 1e-4, "high": 1e-2},
    "seed": {"kind": "grid", "values": [0, 1]},
}


@pytest.fixture(scope="module")
def finished(
    faces: Path, tables: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TuneConfig, list[Trial]]:
    """A search of two learning rates with two seeds each, and its trials."""
    folder = tmp_path_factory.mktemp("finished") / "tune"
    settings = tune_settings(faces, tables, folder, SEARCH, epochs=2)
    config = parse_config(TuneConfig, settings | {"num_trials": 2, "trial": {"cpus": 1}})
    return config, tuning.run(config)


def tune_settings(
    faces: Path, tables: Path, folder: Path, search: dict[str, Any], epochs: int
) -> dict[str, Any]:
    splits = {s: {"table": str(tables / s), "images": str(faces / s)} for s in ("train", "val")}
    return {
        "train": {
            "data": splits | {"image_size": 32, "leakage": {"on_found": "ignore"}},
            "model": {"backbone": "narrow", "embedding_dim": 32},
            "training": {
                "epochs": epochs,
                "batch_size_per_worker": 16,
                "log_every_steps": 100,
                "warmup_epochs": 0,
            },
            "run": {"folder": "unused"},  # the same if the search is moved
        },
        "search": search,
        "scheduler": {"kind": "none"},
        "run": {"folder": str(folder)},
    }


def grid(*values: Any, **when: Any) -> dict[str, Any]:
    return {"kind": "grid", "values": list(values)} | ({"when": when} if when else {})


def by_setting(trials: list[Trial], key: str) -> dict[Any, Trial]:
    return {trial.settings[key]: trial for trial in trials}


def test_run__trials_that_fail_are_shown_with_their_reason_and_end_nothing(
    make_config: MakeConfig,
) -> None:
    # λ beyond what float32 can square, and a layer that no machine has the memory for.
    config = make_config(
        {
            "weighting.kind": grid("fixed", "uncertainty"),
            "weighting.lambda_landmarks": grid(1.0, 1e30, **{"weighting.kind": "fixed"}),
            "model.embedding_dim": grid(32, 10**12, **{"weighting.kind": "uncertainty"}),
        },
        num_trials=1,
        trial=ONE_BY_ONE,
    )
    trials = tuning.run(config)
    assert len(trials) == 4
    assert [trial.error is None for trial in trials] == [True, True, False, False]
    assert all(len(trial.records) == 1 for trial in trials[:2])
    broken, too_large = sorted(trials[2:], key=lambda trial: trial.settings["weighting.kind"])
    assert broken.settings["weighting.lambda_landmarks"] == 1e30
    assert "A gradient is not finite in epoch 1, step 1." in str(broken.error)
    assert too_large.settings["model.embedding_dim"] == 10**12
    assert "The machine has no memory for this (can't allocate memory" in str(too_large.error)
    assert "\n" not in str(too_large.error)
    shown = json.loads(Path(config.run.folder, "summary.json").read_text())["trials"]
    assert [trial["outcome"].startswith("failed: ") for trial in shown] == [False, False, True, True]


@pytest.mark.soak
def test_run__a_search_without_any_success_says_why(make_config: MakeConfig) -> None:
    only = {"weighting.kind": grid("fixed"), "weighting.lambda_landmarks": grid(1e30)}
    with pytest.raises(StoppedError, match=r"All 1 trials failed; .* A gradient is not finite"):
        tuning.run(make_config(only, num_trials=1))


# Memory is limited once the data are open, and the first check has imported what it needs.
CHECK_WITHOUT_MEMORY = """
import logging, pathlib, resource, sys
from faceml.config import TuneConfig, load_yaml, parse_config
from faceml.models.starting_weights import refuse_unusable_network
from ray_jobs.search import tuning

logging.basicConfig()
config = parse_config(TuneConfig, load_yaml(pathlib.Path(sys.argv[1]).read_text()))
tuning.build_cached_faces(config.train)
refuse_unusable_network(config.train.model.model_copy(update={"backbone": "iresnet18"}), 32, 1.0)
pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
most = pages * resource.getpagesize() + 100 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (most, most))
tuning.check_search(config)
"""


def test_check_search__a_backbone_without_memory_for_it_does_not_end_the_search(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    config = make_config({"model.backbone": grid("resnet18", "iresnet100")})
    (tmp_path / "tune.yaml").write_text(dump_config(config))
    command = [sys.executable, "-c", CHECK_WITHOUT_MEMORY, str(tmp_path / "tune.yaml")]
    environment = os.environ | {"PYTHONPATH": python_path(NARROW_BACKBONE)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    reason = "The machine has no memory for this (can't allocate memory"
    assert f"Trials with model.backbone iresnet100 will fail: {reason}" in ended.stderr


def test_train_trial__trials_of_one_process_open_the_data_once(make_config: MakeConfig) -> None:
    config = make_config({"seed": grid(0, 1)})
    faces._last_opened.cache_clear()
    for seed, probability in ((0, 0.0), (1, 0.5), (2, 0.5)):
        settings = {"seed": seed, "data.augmentation.flip_probability": probability}
        job = TrialJob(config.model_dump(mode="json"), f"trial_{seed}", settings, 1)
        train_trial(job, config, torch.device("cpu"), 0, list[dict[str, Any]]().append)
    assert faces._last_opened.cache_info().misses == 1


def test_run__trials_follow_each_other_in_one_process_and_are_ranked(
    finished: tuple[TuneConfig, list[Trial]],
) -> None:
    config, trials = finished
    folder = Path(config.run.folder)
    folders = [folder / "trials" / trial.name for trial in trials]
    workers = Counter(outcome.worker for folder in folders if (outcome := TrialFolder(folder).outcome))
    assert sum(workers.values()) == 4
    # A second process that starts for longer than the trials of the first last gets none of them.
    assert len(workers) <= 2
    for trial, each in zip(trials, folders, strict=True):
        names = sorted(path.name.partition(".tfevents")[0] for path in each.iterdir())
        assert names == ["config.yaml", "events.out", "metrics.jsonl", "outcome.json", "settings.json"]
        assert yaml.safe_load((each / "config.yaml").read_text())["weighting"] == {"kind": "rlw"}
        assert (trial.error, trial.outcome) == (None, "finished")
        assert [record["epoch"] for record in trial.records] == [1, 2]
        assert all(record["time/epoch_s"] > 0 for record in trial.records)
    answers = ("trials", "configurations", "comparisons", "importance")
    tables = {f"{name}.{kind}" for name in answers for kind in ("csv", "parquet")} | {"epochs.parquet"}
    files = {"best_config.yaml", "config.yaml", "data.json", "report.html", "summary.json"}
    assert {path.name for path in folder.iterdir()} == {"trials"} | files | tables

    accuracies = [trial.best_accuracy for trial in trials]
    assert accuracies == sorted(accuracies, reverse=True)
    by_rate = defaultdict[float, list[float]](list)
    for trial in trials:
        by_rate[trial.settings["optimizer.learning_rate"]].append(trial.best_accuracy)
    assert [len(found) for found in by_rate.values()] == [2, 2]
    best = load_config(TrainConfig, folder / "best_config.yaml")
    assert sum(by_rate[best.optimizer.learning_rate]) == max(map(sum, by_rate.values()))
    assert best.weighting.kind == "rlw"
    assert best.run.folder == str(folder / "best")
    with pytest.raises(ConfigError, match=r"run\.folder: .* holds a finished run"):
        tuning.run(config)


def test_run__trials_with_fewer_epochs_of_their_own_finish(make_config: MakeConfig) -> None:
    config = make_config({"training.epochs": grid(1, 2)})
    trials = by_setting(tuning.run(config), "training.epochs")
    assert {epochs: trial.max_epochs for epochs, trial in trials.items()} == {1: 1, 2: 2}
    assert {trial.outcome for trial in trials.values()} == {"finished"}


def test_run__what_no_node_has_room_for_is_refused_before_anything_starts(make_config: MakeConfig) -> None:
    search = {"weighting.kind": grid("fixed")}
    with pytest.raises(ConfigError, match="trial: needs 1 × 3 CPU, each on one node, the cluster has 2 CPU"):
        tuning.run(make_config(search, trial={"cpus": 3}))
    with pytest.raises(ConfigError, match=r"trial: needs 3 × 1 CPU, each on one node, the cluster has 2 CPU"):
        tuning.run(make_config(search, trial={"workers": 3, "cpus": 1}))
    with pytest.raises(ConfigError, match=r"trial: needs 1 × 1 CPU and 0\.5 GPU.* 2 CPU and 0 GPU"):
        tuning.run(make_config(search, trial={"gpus": 0.5}))
    config = make_config(search, trial={"cpus": 3})
    assert not Path(config.run.folder).exists()


def test_run__goes_on_with_more_seeds_and_retrains_after_the_search_has_ended(
    finished: tuple[TuneConfig, list[Trial]], make_config: MakeConfig, tmp_path: Path
) -> None:
    shutil.copytree(finished[0].run.folder, tmp_path / "tune")  # a search may be moved
    (best, *_) = finished[1]
    files = [tmp_path / "tune" / "trials" / trial.name / "metrics.jsonl" for trial in finished[1]]
    written = [file.stat().st_mtime_ns for file in files]
    more = SEARCH | {"seed": grid(2, 0, 1)}
    retraining = {"seeds": [5], "epochs": 1}
    again = make_config(more, epochs=2, num_trials=2, trial={"cpus": 1}, retrain=retraining)
    console = Console(record=True, width=200)
    tuning.show(tuning.run(again), again, console)
    assert [file.stat().st_mtime_ns for file in files] == written, "the trials before are kept"
    found = json.loads(Path(again.run.folder, "summary.json").read_text())
    assert sorted(trial["settings"]["seed"] for trial in found["trials"]) == [0, 0, 1, 1, 2, 2]
    assert best.name in [trial["name"] for trial in found["trials"]]
    chosen = load_config(TrainConfig, tmp_path / "tune" / "best_config.yaml")
    folder = Path(again.run.folder, "retrain", "seed_5")
    trained = yaml.safe_load((folder / "config.yaml").read_text())
    assert (trained["seed"], trained["training"]["epochs"]) == (5, 1)
    assert trained["optimizer"]["learning_rate"] == chosen.optimizer.learning_rate
    value = json.loads((folder / "summary.json").read_text())["best"]["val/accuracy"]
    assert found["retrained"]["mean"] == pytest.approx(value)
    assert f"Retrained with one seed: val/accuracy {percent(value)}; the variance" in console.export_text()
    with pytest.raises(ConfigError, match="holds a finished run"):
        tuning.run(again)


def test_run__tpe_with_conditions_on_the_landmarks(make_config: MakeConfig) -> None:
    """On an error, of which less is better; under median stopping."""
    config = make_config(
        {
            "weighting.kind": {"kind": "choice", "values": ["fixed", "uncertainty"]},
            "weighting.lambda_landmarks": {
                "kind": "loguniform",
                "low": 0.1,
                "high": 10,
                "when": {"weighting.kind": "fixed"},
            },
            "seed": grid(0, 1),
        },
        epochs=2,
        num_trials=3,
        trial=ONE_BY_ONE,
        metric="val/landmark_mse",
        searcher={"kind": "tpe", "startup_rounds": 2},
        scheduler={"kind": "median"},
    )
    trials = tuning.run(config)
    assert len(trials) == 6
    assert not any(trial.error for trial in trials)
    for trial in trials:
        is_fixed = trial.settings["weighting.kind"] == "fixed"
        assert ("weighting.lambda_landmarks" in trial.settings) == is_fixed
    arms = Counter(json.dumps({k: v for k, v in t.settings.items() if k != "seed"}) for t in trials)
    assert all(count % 2 == 0 for count in arms.values()), "seeds share settings"
