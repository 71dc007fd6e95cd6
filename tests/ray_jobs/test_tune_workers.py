"""Trials of several workers: Ray Train inside Ray Tune, on eight logical CPUs in a process of its own."""

import json
from pathlib import Path

from faceml.config.loading import parse_config
from faceml.config.tune import TuneConfig
from ray_jobs.tune_searcher import trial_folders
from tests.own_cluster import run_on_own_cluster

TRIALS, EPOCHS = 4, 4


def test_run__trials_of_two_workers_never_wait_for_each_other(
    faces: Path, tables: Path, tmp_path: Path
) -> None:
    """Two of them at once, one after the other, some stopped early: the next ones get their workers."""
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
            "search": {"seed": {"kind": "grid", "values": list(range(TRIALS))}},
            "num_trials": 1,
            "scheduler": {"kind": "asha", "grace_epochs": 1, "reduction_factor": 4},
            "trial": {"workers": 2, "cpus": 2, "checkpoint_every_s": 0},
            "run": {"folder": str(tmp_path / "tune")},
        },
    )
    run_on_own_cluster("tune", config, 8, tmp_path, timeout_s=1200)
    trials = trial_folders(config.run.folder / "trials")
    assert len(trials) == TRIALS
    outcomes = [trial.outcome for trial in trials]
    assert [outcome.error if outcome else "none" for outcome in outcomes] == [None] * TRIALS
    epochs = [len(trial.records) for trial in trials]
    assert min(epochs) < EPOCHS, "some were stopped, and their workers went"
    summary = json.loads((config.run.folder / "summary.json").read_text())
    assert sorted(trial["epochs"] for trial in summary["trials"]) == sorted(epochs)
    # 64 faces for two workers with batches of eight: four steps an epoch, of both together.
    assert (trials[0].path / "config.yaml").read_text().count("num_train_workers: 2") == 1
