"""Jobs refuse the run folder of every other kind of job, and leave its files alone."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from faceml.config.config_error import ConfigError
from faceml.config.loading import assign_keys, parse_config
from ray_jobs.cli.tables import export_json
from ray_jobs.jobs import JOBS, STUDY, Job

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = {
    "extract": "extract_landmarks.yaml",
    "train": "multitask_affectnet.yaml",
    "transfer": "arcface_casia.yaml",
    "study": "transfer_study.yaml",
    "tune": "tune_multitask.yaml",
    "evaluate": "evaluate.yaml",
    "evaluate-landmarks": "evaluate_landmarks.yaml",
    "export": "export.yaml",
    "predict": "predict.yaml",
}
ALL: dict[str, Job] = {**JOBS, "study": STUDY}
TABLE = {"data.root": "/photos", "output.table": "/tables/photos"}
SETTINGS: dict[str, dict[str, Any]] = {
    "extract": TABLE,
    "predict": TABLE,
    "evaluate-landmarks": {"table": "/tables/photos"},
}


def raw_config(name: str, **changes: object) -> dict[str, Any]:
    raw = yaml.safe_load((CONFIGS / FILES[name]).read_text(encoding="utf-8"))
    return assign_keys(raw, {"use_gpu": False} | changes if "use_gpu" in raw else changes)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("best_model.pt", "summary.json", "report.html", "predictions.parquet", "model.onnx"):
        (folder / name).write_text(name)
    return folder


def start(name: str, folder: Path) -> None:
    settings = SETTINGS.get(name, {}) | {"run.folder": str(folder)}
    config = parse_config(ALL[name].model, raw_config(name, **settings))
    __import__(ALL[name].module, fromlist=["run_and_show"]).run_and_show(config, None)


@pytest.mark.parametrize("name", FILES)
def test_run__into_the_folder_of_another_kind_is_refused(
    name: str, run: Path, model_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    for other in FILES:
        (run / "config.yaml").write_text(yaml.safe_dump(raw_config(other, **SETTINGS.get(other, {}))))
        before = {file: file.read_bytes() for file in run.iterdir()}
        if other != name:
            with pytest.raises(ConfigError, match=r"^run\.folder: .*/run holds (?!a config)") as refused:
                start(name, run)
            assert "\n" not in str(refused.value)
            assert {file: file.read_bytes() for file in run.iterdir()} == before
    (run / "config.yaml").unlink()
    with pytest.raises(ConfigError, match=r"^run\.folder: .* holds best_model\.pt of another job"):
        start(name, run)
    (run / "config.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match=r"^run\.folder: .* holds a config\.yaml of no job"):
        start(name, run)


@pytest.mark.parametrize("name", ["extract", "predict"])
def test_run__a_table_in_a_run_folder_is_refused(name: str, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"run\.folder is output\.table: a table has its folder to itself"):
        parse_config(
            ALL[name].model, raw_config(name, **TABLE | {"run.folder": str(run), "output.table": str(run)})
        )


@pytest.mark.parametrize(("key", "value"), [("output.file", "run/faces.jsonl"), ("output.drawn", "run")])
def test_predict__into_a_run_folder_is_refused(key: str, value: str, run: Path, tmp_path: Path) -> None:
    (run / "config.yaml").write_text("seed: 0\n")
    config = parse_config(JOBS["predict"].model, raw_config("predict", **{key: str(tmp_path / value)}))
    with pytest.raises(ConfigError, match=rf"^{key}: {run} holds the config\.yaml of a run"):
        __import__(JOBS["predict"].module, fromlist=["run"]).run(config)


def test_export_json__into_a_run_folder_is_refused(run: Path) -> None:
    (run / "config.yaml").write_text("seed: 0\n")
    with pytest.raises(ConfigError, match=r"^--output: .*/run holds the config\.yaml of a run"):
        export_json(table="/tables/faces", output=str(run / "summary.json"))
    assert (run / "summary.json").read_text() == "summary.json"
