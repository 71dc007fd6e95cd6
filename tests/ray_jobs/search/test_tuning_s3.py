"""Searches with a run folder in an object store, through an S3 API."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from faceml.config.loading import assign_keys, dump_config, parse_config
from faceml.config.tune import TuneConfig
from faceml.runs.trial_folder import TrialFolder
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below
from ray_jobs.search import tuning
from tests.job import Job
from tests.ray_jobs.search.test_tuning_kills import CHOOSE, FINISH_S, search

EPOCHS = 3


def small(config: TuneConfig, epochs: int, **changes: Any) -> TuneConfig:
    """Return a search of few epochs whose checkpoints are small."""
    settings = {"train.training.epochs": epochs, "train.optimizer": {"name": "sgd", "momentum": 0.0}}
    return parse_config(TuneConfig, assign_keys(config.model_dump(mode="json"), settings | changes))


def await_checkpoint(job: Job, place: str) -> TrialFolder:
    """Wait until the first trial has ended and the second can go on from the middle."""
    first, second = (TrialFolder(place_below(place, "trials", f"trial_0000{n}")) for n in (0, 1))
    deadline_s = time.monotonic() + 300
    while first.outcome is None or second.checkpoint is None:
        assert job.process.poll() is None, job.finish()
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    return second


def records_in(trial: TrialFolder) -> list[bytes]:
    return (trial.content("metrics.jsonl") or b"").splitlines()


def summary_in(folder: StorageFolder) -> dict[str, Any]:
    content = folder.read("summary.json")
    assert isinstance(content, bytes)
    return json.loads(content)


def test_tune__in_a_store_driver_killed_then_the_same_command_goes_on_on_another_machine(
    faces: Path, tables: Path, tmp_path: Path, s3_uri: Callable[..., str], start: Callable[..., Job]
) -> None:
    """One trial after the other: the first has ended, and the second is half done."""
    place = place_below(s3_uri(), "search")
    folder, file = StorageFolder(place), tmp_path / "tune.yaml"
    retrain = {"retrain": {"seeds": [5], "epochs": 1}}
    config = small(search(faces, tables, place, trials=2, cpus=2), EPOCHS, **retrain)
    file.write_text(dump_config(config), encoding="utf-8")

    def start_on(machine: str) -> Job:
        environment = {"FACEML_CACHE": str(tmp_path / machine)}
        return start("tune", options=("--config", str(file)), environment=environment)

    job = start_on("first")
    interrupted = await_checkpoint(job, place)
    before = records_in(interrupted)
    assert job.kill("driver", CHOOSE)
    job.stop()
    assert folder.files() == ["config.yaml"]
    ended = TrialFolder(place_below(place, "trials", "trial_00000"))
    assert ended.outcome is not None
    assert ended.checkpoint is None
    assert (interrupted.outcome, interrupted.name) == (None, "trial_00001")
    done = records_in(ended)
    output = start_on("second").finish(FINISH_S)
    assert f"Results: {place}" in output, output
    # The time that an epoch took tells that it is the same one, not trained again.
    assert records_in(ended) == done
    assert records_in(interrupted)[:1] == before[:1]
    summary = summary_in(folder)
    assert [(t["epochs"], t["outcome"]) for t in summary["trials"]] == [(EPOCHS, "finished")] * 2
    assert summary["retrained"]["seeds"] == [5]
    assert {"best_config.yaml", "report.html", "trials.csv", "epochs.parquet"} <= set(folder.files())
    retrained = StorageFolder(place_below(place, "retrain", "seed_5"))
    assert {"best_model.pt", "report.html", "summary.json"} <= set(retrained.files())
    walked = [found.path for found in folder.walk()]
    assert not [path for path in walked if path.startswith("trials/") and "/checkpoint" in path]
    assert not folder.has(".ray_tune/tuner.pkl")
    best = folder.read("best_config.yaml")
    assert isinstance(best, bytes)
    assert yaml.safe_load(best)["run"]["folder"] == place_below(place, "best")


@pytest.mark.usefixtures("ray_cluster")
def test_run__a_group_of_workers_trains_a_trial_in_a_store(
    faces: Path,
    tables: Path,
    tmp_path: Path,
    s3_uri: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FACEML_CACHE", str(tmp_path / "cache"))
    place = place_below(s3_uri(), "search")
    (trial,) = tuning.run(small(search(faces, tables, place, trials=1, workers=2), 1))
    assert (trial.error, trial.epochs) == (None, 1)
    folder = StorageFolder(place)
    assert summary_in(folder)["best"]["outcome"] == "finished"
    assert not StorageFolder(place_below(place, ".ray_tune")).exists()
    assert not list((tmp_path / "cache").rglob(".ray_tune"))
