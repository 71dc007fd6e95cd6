"""Trials of several workers: Ray Train inside Ray Tune, on eight logical CPUs in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from faceml.config.loading import dump_config, parse_config
from faceml.config.tune import TuneConfig
from ray_jobs.tune_searcher import trial_folders

REPOSITORY = Path(__file__).parents[2]
TRIALS, EPOCHS = 4, 4
SEARCH = """
import sys
from pathlib import Path
import ray
from faceml.config.loading import load_config
from faceml.config.tune import TuneConfig
from ray_jobs import tune
ray.init("local", num_cpus=8, include_dashboard=False, log_to_driver=False)
tune.run(load_config(TuneConfig, Path(sys.argv[1])))
ray.shutdown()
"""


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
    file = tmp_path / "tune.yaml"
    file.write_text(dump_config(config), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-c", SEARCH, str(file)],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"},
        check=True,
        timeout=1200,
    )
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
