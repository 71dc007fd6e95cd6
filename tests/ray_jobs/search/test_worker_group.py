"""Trials of several workers: Ray Train inside Ray Tune."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from faceml.config.loading import assign_keys, parse_config
from faceml.config.tune import TuneConfig
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below
from ray_jobs.search import tuning
from ray_jobs.search.searcher import trial_folders
from tests.own_cluster import run_on_own_cluster
from tests.ray_jobs.search.test_tuning_kills import search

EPOCHS = 2
# The last one throws the network far off, which is worse than to learn nothing, as those before it do.
LEARNING_RATES = (1e-12, 1e-11, 1e-2)


@pytest.mark.soak
def test_run__trials_of_two_workers_never_wait_for_each_other(
    faces: Path, tables: Path, tmp_path: Path
) -> None:
    """On four CPUs two of them at once, then another, which is stopped; each gives its workers back."""
    splits = {s: {"table": str(tables / s), "images": str(faces / s)} for s in ("train", "val")}
    config = parse_config(
        TuneConfig,
        {
            "train": {
                "data": splits | {"image_size": 32, "leakage": {"on_found": "ignore"}},
                "model": {"embedding_dim": 32},
                "training": {"epochs": EPOCHS, "batch_size_per_worker": 8, "warmup_epochs": 0},
                "run": {"folder": str(tmp_path / "unused")},
            },
            "search": {"optimizer.learning_rate": {"kind": "grid", "values": list(LEARNING_RATES)}},
            "num_trials": 1,
            "scheduler": {"kind": "asha", "grace_epochs": 1, "reduction_factor": 2},
            "metric": "val/landmark_mse",
            "trial": {"workers": 2, "cpus": 1, "checkpoint_every_s": 0},
            "run": {"folder": str(tmp_path / "tune")},
        },
    )
    run_on_own_cluster("ray_jobs.search.tuning", config, 4, tmp_path, timeout_s=600)
    trials = trial_folders(tmp_path / "tune" / "trials")
    settings = [trial.settings or {} for trial in trials]
    assert [each["optimizer.learning_rate"] for each in settings] == list(LEARNING_RATES)
    outcomes = [trial.outcome for trial in trials]
    assert [outcome.error if outcome else "none" for outcome in outcomes] == [None] * len(LEARNING_RATES)
    epochs = [len(trial.records) for trial in trials]
    assert max(epochs) == EPOCHS
    assert epochs[-1] < EPOCHS, "it was stopped"
    summary = json.loads((tmp_path / "tune" / "summary.json").read_text())
    assert sorted(trial["epochs"] for trial in summary["trials"]) == sorted(epochs)
    # 64 faces for two workers with batches of eight: four steps an epoch, of both together.
    assert Path(trials[0].place, "config.yaml").read_text().count("num_train_workers: 2") == 1


@pytest.mark.usefixtures("ray_cluster")
def test_run__a_group_of_workers_trains_a_trial(faces: Path, tables: Path, tmp_path: Path) -> None:
    plain = search(faces, tables, tmp_path / "search", trials=1, workers=2).model_dump(mode="json")
    (trial,) = tuning.run(
        parse_config(
            TuneConfig, assign_keys(plain, {"train.training.epochs": 1, "train.model.backbone": "narrow"})
        )
    )
    assert (trial.error, trial.epochs) == (None, 1)
    summary = json.loads((tmp_path / "search" / "summary.json").read_text())
    assert summary["best"]["outcome"] == "finished"
    assert not (tmp_path / "search" / ".ray_tune").exists()


@pytest.mark.soak
@pytest.mark.usefixtures("ray_cluster")
def test_run__a_group_of_workers_trains_in_a_store_and_the_best_is_retrained_there(
    faces: Path,
    tables: Path,
    tmp_path: Path,
    s3_uri: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FACEML_CACHE", str(tmp_path / "cache"))
    place = place_below(s3_uri(), "search")
    plain = search(faces, tables, place, trials=1, workers=2).model_dump(mode="json")
    changes = {"train.training.epochs": 1, "retrain": {"seeds": [5], "epochs": 1}}
    (trial,) = tuning.run(parse_config(TuneConfig, assign_keys(plain, changes)))
    assert (trial.error, trial.epochs) == (None, 1)
    folder = StorageFolder(place)
    content = folder.read("summary.json")
    assert isinstance(content, bytes)
    summary = json.loads(content)
    assert summary["best"]["outcome"] == "finished"
    assert summary["retrained"]["seeds"] == [5]
    retrained = StorageFolder(place_below(place, "retrain", "seed_5"))
    assert {"best_model.pt", "report.html", "summary.json"} <= set(retrained.files())
    assert not StorageFolder(place_below(place, ".ray_tune")).exists()
    assert not list((tmp_path / "cache").rglob(".ray_tune"))
