"""Lineage of trained models."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from faceml.runs.lineage import find_trained_runs


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    def make(name: str, config: dict[str, Any], *models: str) -> None:
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        for model in models:
            (folder / model).parent.mkdir(parents=True, exist_ok=True)
            (folder / model).touch()

    def training(table: str, weights: str = "none") -> dict[str, Any]:
        data = {"train": {"table": f"/tables/{table}"}, "val": {"table": "/tables/val"}}
        return {"data": data, "model": {"weights": weights}, "training": {"epochs": 1}}

    make("a", training("a"), "best_model.pt", "checkpoints/checkpoint_epoch_000001/model.pt")
    make("b", training("b"), "best_model.pt")
    make("from_a", training("b", str(tmp_path / "runs/a/best_model.pt")), "best_model.pt")
    make("from_that", training("b", str(tmp_path / "runs/from_a/best_model.pt")), "best_model.pt")
    make("stopped", training("a"))
    make("search", {"train": training("a"), "search": {}})
    make("search/trials/trial_00000", training("a"), "checkpoint/training_state.pt")
    make("extraction", {"output": {"table": "/tables/a"}})
    make("evaluation", {"data": {"table": "/tables/a"}, "model": "x"}, "best_model.pt")
    return tmp_path / "runs"


def test_find_trained_runs__names_trainings_and_what_started_from_them(runs: Path) -> None:
    found = {run.folder.relative_to(runs).as_posix(): run for run in find_trained_runs(["/tables/a"], [runs])}
    assert [*found] == ["a", "search/trials/trial_00000", "from_a", "from_that"]
    assert found["a"].reason == "trained on /tables/a"
    assert found["from_that"].reason == f"started from {runs}/from_a/best_model.pt"
    assert [file.name for file in found["a"].models] == ["best_model.pt", "model.pt"]


def test_find_trained_runs__of_another_table_are_none(runs: Path) -> None:
    assert find_trained_runs(["/tables/c"], [runs]) == []
    assert len(find_trained_runs(["/tables/val"], [runs])) == 5
