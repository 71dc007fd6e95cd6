"""A search with a run folder in an object store, whose trials have several workers."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from faceml.config.loading import assign_keys, parse_config
from faceml.config.tune import TuneConfig
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below
from ray_jobs.search import tuning
from tests.ray_jobs.search.test_tuning_kills import search


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
