"""Runs, models and files derived from tables."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from faceml.config.config_error import ConfigError
from faceml.runs.derived_runs import find_derived
from faceml.runs.run_folder import cached_copy
from faceml.storage.locations import place_below


def training(table: str, weights: str = "none") -> dict[str, Any]:
    data = {"train": {"table": table, "images": f"/images{table}"}, "val": {"table": "/tables/val"}}
    return {"data": data, "model": {"weights": weights}, "training": {"epochs": 1}, "weighting": {}}


def evaluation(model: str, table: str) -> dict[str, Any]:
    return {"model": model, "data": {"table": table}, "compare_with": []}


class Runs:
    """Run folders of a test."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, name: str, config: dict[str, Any] | None, *files: str) -> str:
        folder = self.root / name
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).touch()
        if config is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "config.yaml").write_text(yaml.safe_dump(config))
        return str(folder)

    def find(self, *tables: str) -> dict[str, tuple[str, list[str], list[str]]]:
        """Return reason, names of models and names of files of each derived run."""
        found = find_derived(tables, [str(self.root)]).runs
        return {
            run.folder.removeprefix(f"{self.root}/"): (
                run.reason,
                [file.removeprefix(f"{run.folder}/") for file in run.models],
                [file.removeprefix(f"{run.folder}/") for file in run.files],
            )
            for run in found
        }


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "runs")


def recognition_evaluation(model: str, compare: dict[str, str], table: str) -> dict[str, Any]:
    sets = {"lfw": {"table": table, "images": f"/images{table}"}}
    return {"model": model, "compare": compare, "sets": sets}


def test_find_derived__evaluations_of_recognition_by_their_models_and_tables(runs: Runs) -> None:
    a = runs.add("a", training("/tables/a"), "best_model.pt")
    b = runs.add("b", training("/tables/b"), "best_model.pt")
    files = "lfw.a.parquet", "report.html"
    runs.add("of_model", recognition_evaluation(a, {"other": b}, "/tables/lfw"), *files)
    runs.add("compared", recognition_evaluation(b, {"other": a}, "/tables/lfw"), *files)
    runs.add("of_table", recognition_evaluation(b, {}, "/tables/a"), *files)
    runs.add("of_others", recognition_evaluation(b, {}, "/tables/lfw"), *files)
    found = runs.find("/tables/a")
    assert set(found) == {"a", "of_model", "compared", "of_table"}
    assert found["of_model"] == (f"recognition evaluation of {a}", [], list(files))
    assert found["compared"][0] == f"compared with {a}"
    assert found["of_table"][0] == "recognition evaluation of /tables/a"


def test_find_derived__trainings_and_all_that_started_from_them(runs: Runs) -> None:
    a = runs.add("a", training("/tables/a"), "best_model.pt", "checkpoints/checkpoint_epoch_000001/model.pt")
    runs.add("b", training("/tables/b"), "best_model.pt")
    from_a = runs.add("from_a", training("/tables/b", f"{a}/best_model.pt"), "best_model.pt")
    runs.add("from_that", training("/tables/b", f"{from_a}/../from_a/best_model.pt"), "best_model.pt")
    runs.add("stopped", training("/tables/a"))
    runs.add("search", {"train": training("/tables/a"), "search": {}})
    runs.add("search/trials/trial_00000", training("/tables/a"), "checkpoint/training_state.pt")
    arms = {"scratch": {}, "pretrained": {"model.weights": f"{a}/best_model.pt"}}
    runs.add("study", {"recognition": training("/tables/people"), "arms": arms}, "report.html")
    runs.add("other", {"output": {"table": "/tables/other"}, "landmarker": {}}, "report.html")
    found = runs.find("/tables/a")
    assert set(found) == {"a", "search/trials/trial_00000", "from_a", "from_that", "study"}
    assert found["a"] == (
        "trained on /tables/a",
        ["best_model.pt", "checkpoints/checkpoint_epoch_000001/model.pt"],
        [],
    )
    assert found["from_a"][0] == f"started from {a}/best_model.pt"
    assert found["from_that"][:2] == (f"started from {from_a}/../from_a/best_model.pt", ["best_model.pt"])
    assert found["study"] == (f"started from {a}/best_model.pt", [], ["report.html"])
    assert runs.find("/tables/c") == {}
    assert len(runs.find("/tables/val")) == 6


def test_find_derived__names_the_rows_that_a_training_used(runs: Runs) -> None:
    config = training("/tables/a")
    config["data"]["train"]["where"] = {"source": ["casia", "ms1m"]}
    runs.add("a", config, "best_model.pt")
    runs.add(
        "predicted", {"model": "/m.pt", "output": {"table": "/tables/a"}, "faces": {}}, "summary.parquet"
    )
    assert runs.find("/tables/a")["a"][0] == "trained on /tables/a where source: casia or ms1m"
    assert runs.find("/tables/a")["predicted"][0].endswith("of /tables/a")


def test_find_derived__of_an_extraction_of_several_sources(runs: Runs) -> None:
    data = {"root": {"casia": "/photos/casia", "ms1m": "/photos/ms1m"}}
    runs.add(
        "table_run", {"data": data, "landmarker": {}, "output": {"table": "/tables/both"}}, "report.html"
    )
    config = training("/tables/other")
    config["data"]["train"]["images"] = {"casia": "/photos/casia"}
    runs.add("other", config, "best_model.pt")
    runs.add("both", training("/tables/both"), "best_model.pt")
    assert set(runs.find("/tables/both")) == {"table_run", "other", "both"}
    assert set(runs.find("/tables/other")) == {"table_run", "other", "both"}
    assert set(runs.find("/tables/nothing")) == set()


def test_find_derived__whatever_the_spelling_of_the_table(runs: Runs, tmp_path: Path) -> None:
    spelled = "s3://bucket/tables/train"
    runs.add("a", training(f"{spelled}/?region=eu-west-1"), "best_model.pt")
    for table in (spelled, f"{spelled}/", "s3://bucket//tables/tr%61in?endpoint_override=localhost:9000"):
        assert list(runs.find(table)) == ["a"]
    assert runs.find(f"{spelled}2") == {}
    (tmp_path / "table").mkdir()
    (tmp_path / "link").symlink_to("table")
    runs.add("linked", training(str(tmp_path / "link")), "best_model.pt")
    assert list(runs.find(str(tmp_path / "table"))) == ["linked"]
    found = find_derived([f"{spelled}/"], [str(runs.root)])
    assert set(found.spellings) == {f"{spelled}/", f"{spelled}/?region=eu-west-1"}


def test_find_derived__exports_evaluations_predictions_and_mlflow(runs: Runs, tmp_path: Path) -> None:
    a = runs.add("a", training("/tables/a"), "best_model.pt", "report.html", "pairs.parquet", "people.json")
    known = {"uri": "sqlite:///mlflow.db", "experiment": "faces", "run_id": "17"}
    Path(a, "mlflow.json").write_text(json.dumps(known))
    runs.add(
        "export", {"model": f"{a}/best_model.pt", "formats": []}, "model.onnx", "model.pt2", "report.html"
    )
    evaluated = runs.add("on_b", evaluation(f"{a}/best_model.pt", "/tables/b"), "predictions.parquet")
    compared = evaluation("/models/other.pt", "/tables/b") | {"compare_with": [evaluated]}
    runs.add("compared", compared, "report.html")
    runs.add("on_a", evaluation("/models/other.pt", "/tables/a"), "predictions.parquet", "model_card.md")
    predicting = {"model": a, "data": {"root": "/photos"}, "faces": {}, "output": {"table": "/tables/photos"}}
    runs.add("predicted", predicting, "summary.json")
    found = runs.find("/tables/a")
    assert found["a"][2] == [
        "pairs.parquet",
        "people.json",
        "report.html",
        "MLflow: run 17 of experiment faces in sqlite:///mlflow.db, its artifacts",
    ]
    assert found["export"] == (
        f"export of {a}/best_model.pt",
        ["model.onnx", "model.pt2"],
        ["report.html"],
    )
    assert found["on_b"] == (f"evaluation of {a}/best_model.pt", [], ["predictions.parquet"])
    assert found["on_a"][::2] == ("evaluation of /tables/a", ["model_card.md", "predictions.parquet"])
    assert found["compared"] == (f"compared with {evaluated}", [], ["report.html"])
    assert found["predicted"] == (f"prediction of {a}", [], ["/tables/photos"])
    assert len(found) == 6


def test_find_derived__what_was_made_from_the_same_images(runs: Runs) -> None:
    extracting = {"landmarker": {}, "data": {"root": "/photos/train"}}
    runs.add("a_run", extracting | {"output": {"table": "/tables/a"}}, "report.html")
    runs.add("again_run", extracting | {"output": {"table": "/tables/again"}}, "report.html")
    runs.add("b", training("/tables/again"), "best_model.pt")
    predicting = {
        "model": "/models/x",
        "data": {"paths": ["/photos"]},
        "faces": {},
        "output": {"table": "/t"},
    }
    runs.add("predicted", predicting, "summary.json")
    others = {"quality": {"other_tables": ["/tables/a"]}, "data": {"root": "/photos/val"}}
    runs.add("val_run", {"landmarker": {}, "output": {"table": "/tables/val2"}} | others, "quality.json")
    runs.add("on_val", evaluation("/models/x", "/tables/val2"), "predictions.parquet")
    found = runs.find("/tables/a")
    assert found["a_run"] == ("extraction of /tables/a", [], ["report.html"])
    assert found["again_run"] == ("extraction of /photos/train", [], ["report.html", "/tables/again"])
    assert found["b"][0] == "trained on /tables/again"
    assert found["predicted"] == ("prediction of /photos", [], ["/t"])
    assert found["val_run"][0] == "compared with /tables/a"
    assert "on_val" not in found


def test_find_derived__models_are_known_by_their_files(runs: Runs, tmp_path: Path) -> None:
    def save(file: Path, config: dict[str, Any]) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"model_state_dict": {}, "config": config}, file)
        return file

    copy = save(runs.root / "copies" / "face.pt", training("/tables/a"))
    overwritten = runs.add("overwritten", evaluation("/models/x.pt", "/tables/b"))
    save(Path(overwritten, "best_model.pt"), training("/tables/a"))
    outside = save(tmp_path / "models" / "face.pt", training("/tables/a"))
    runs.add("from_outside", training("/tables/b", str(outside)), "best_model.pt")
    runs.add("unknown", None, "face.onnx")
    runs.add("malformed", None, "best_model.pt")
    Path(runs.root, "malformed", "config.yaml").write_text("a: [")
    runs.add("from_gone", training("/tables/b", "/gone/best_model.pt"), "best_model.pt")
    found = find_derived(["/tables/a"], [str(runs.root)])
    reasons = {run.folder: run.reason for run in found.runs}
    assert reasons == {
        str(copy): "trained on /tables/a",
        f"{overwritten}/best_model.pt": "trained on /tables/a",
        str(outside): "trained on /tables/a",
        f"{runs.root}/from_outside": f"started from {outside}",
    }
    assert set(found.unknown) == {
        f"{runs.root}/unknown/face.onnx",
        f"{runs.root}/malformed/best_model.pt",
        "/gone/best_model.pt",
        "/models/x.pt",
    }


def test_find_derived__in_a_store(
    runs: Runs, in_s3: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEML_CACHE", str(tmp_path / "cache"))
    runs.add(".hidden/a", training("s3://bucket/a/"), "best_model.pt")
    there = in_s3(runs.root)
    shutil.rmtree(runs.root)
    place = place_below(there, ".hidden", "a")
    cached_copy(place).mkdir(parents=True)
    (found,) = find_derived(["s3://bucket/a"], [there]).runs
    assert found.folder == place
    assert found.models == [place_below(place, "best_model.pt")]
    assert found.files == [str(cached_copy(place))]


def test_find_derived__a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--runs .*/rnus: there is no such folder"):
        find_derived(["/tables/a"], [str(tmp_path / "rnus")])
